"""Error bounds of any engine against the exact model, and the claims of a file."""
