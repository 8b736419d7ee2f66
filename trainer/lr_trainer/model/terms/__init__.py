"""The trainer's operations on terms besides their values: one module per kind of term, with the name of the kind."""
