"""How the trainer evaluates terms. A kind of term is one module here, by the name that `lr_runtime` gives it."""
