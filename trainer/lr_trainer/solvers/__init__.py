"""From moments to coefficients: least squares, ridge, lasso and minimum norm, and how many digits are certain."""
