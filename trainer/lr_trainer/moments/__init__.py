"""Centred moments of the rows, and the passes over a table that gather them."""
