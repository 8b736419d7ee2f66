"""The report of a fit: its figures, those left out because too few digits are certain, and cautions for the user."""
