"""Whether a server speaks the Open Inference Protocol v2 over HTTP: checks of any server, by its URL.

    python -m tests.conformance http://127.0.0.1:8080 --model NAME

It needs Python 3.11 and numpy, and nothing else of this repository: the folder runs wherever it is copied to, under
any name. It learns the inputs of the model from the model's metadata and makes the data itself.

    checks/       what is checked, a module for each part of the protocol; each check quotes the sentence it is from
    sources.py    these sentences
    check.py      a check, and what comes of it
    target.py     the server and the model, as their metadata describe them
    tensors.py    data types, and tensors as JSON and as bytes
    reading.py    an answer, taken apart
    client.py     one request, one answer
    report.py     the results as a table and as JSON

The rest tests the suite itself: `reference.py` is a small server that is right, `faults/` makes it wrong in one way at
a time, and each check has to see what is its own to see.
"""
