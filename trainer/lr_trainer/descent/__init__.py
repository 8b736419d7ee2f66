"""Fits by descent: losses without a solution in closed form, the optimizers of torch, quasi-Newton steps of our own.

`cycle.py` makes epoch after epoch; what an epoch is, `quasi_newton.py` and `first_order.py` each say. Both see the rows
through `objective.py`, in the coordinates of `coordinates.py`; `problem.py` is what they start from.
"""
