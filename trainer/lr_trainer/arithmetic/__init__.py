"""Arithmetic in double-double, exact products of blocks, and the rounding of float64."""
