"""How far an engine may be from the exact model, and what is claimed of a file for it."""
