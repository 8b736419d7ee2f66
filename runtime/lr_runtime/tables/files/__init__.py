"""The files that tables come in: packed or plain, several as one table, or no tables at all."""
