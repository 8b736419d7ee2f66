"""Arrays of NumPy or torch, arithmetic in double-double, exact products of blocks, and the rounding of float64."""
