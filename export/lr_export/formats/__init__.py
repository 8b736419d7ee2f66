"""How a program becomes a file of each format, and what runs it for its certificate."""
