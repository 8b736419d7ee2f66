"""What one cell of a table says: a number, a text, or that there is no value."""
