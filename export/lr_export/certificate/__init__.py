"""What a file is to be, the rows that it is checked on, and the check."""
