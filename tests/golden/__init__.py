"""Models of every version that users were given, kept as they were written: every later version reads them."""
