"""Fits by descent: other losses than squares, batches, epochs, early stopping, stopped and resumed.

descending.py       the way through: setting.py, rows in coordinates.py in a store.py, descent.py, outcome.py
losses.py           the losses;  objective.py  value, gradient, curvature, a bound from below;  order_statistics.py
first_order.py      epochs of SGD and Adam;  quasi_newton.py  of LBFGS, Newton's where there are corners
resume.py           the state of a stopped descent;  interruption.py  signals;  watching.py  bar and log
"""
