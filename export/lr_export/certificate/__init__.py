"""The specification of a file, its probe rows, and the check."""
