"""What is said of a fit: its report, what is left out of it for want of digits, and what a user should look at."""
