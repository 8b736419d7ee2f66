"""Fits by descent: losses without a solution in closed form, the optimizers of torch, quasi-Newton steps of our own."""
