"""Terms: the columns of the design matrix. A kind of term is one module here: its name, its JSON form, its value."""
