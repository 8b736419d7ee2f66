"""lr-serve and other servers of the Open Inference Protocol v2, held against the suite of `tests/conformance`.

python -m tests.serving.conformance

subjects.py   lr-serve and its models, and what comes of the checks on a model
peers.py      MLServer and KServe, each in an environment of its own
document.py   the table of docs/conformance.md
"""
