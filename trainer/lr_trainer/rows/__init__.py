"""From files and arrays to blocks of rows: which columns play which part, and which rows are kept."""
