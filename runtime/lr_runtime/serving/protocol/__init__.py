"""The Open Inference Protocol v2, which clients of KServe, Triton and MLServer speak.

    request -> inputs.py -> rows -> Predictor.predict -> outputs.py -> response

`inference.py` has the records of a request; `tensors.py` the datatypes, and tensors as arrays.
"""
