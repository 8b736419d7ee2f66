"""What the trainer asks of terms beside their value. A kind of term is one module here, by the name of the kind."""
