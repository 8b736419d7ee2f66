"""The straight-line program that every format is made from."""
