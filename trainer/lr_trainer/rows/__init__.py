"""From files and arrays to blocks of rows: the role of each column, and the rows that are dropped."""
