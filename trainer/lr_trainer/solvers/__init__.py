"""From moments to coefficients: least squares, ridge, lasso and minimum norm, and how many digits are certain.

A new solver is one module with a `solver.Solver`, and one row of `strategy.STRATEGY`.
"""
