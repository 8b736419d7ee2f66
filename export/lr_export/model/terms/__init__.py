"""How artefacts compute terms, and how far that may be off. A kind of term is one module here."""
