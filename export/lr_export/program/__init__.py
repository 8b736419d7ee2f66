"""The model as a straight-line program, from which every format is made."""
