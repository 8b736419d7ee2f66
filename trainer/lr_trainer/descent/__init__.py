"""Fits by descent: losses without a solution in closed form, the optimizers of torch, quasi-Newton steps of our own.

`cycle.py` makes epoch after epoch; an epoch's steps are those of `quasi_newton.py` (with the stages of
`continuation.py` and the steps of `newton.py`) or of `first_order.py`. Both minimise `objective.py`, in the coordinates
of `coordinates.py`; the columns and rows that take part are those of `problem.py`.
"""
