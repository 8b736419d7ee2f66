"""The model as artefacts hold it: its terms, the layout of its design matrix, its numbers, and the program of them."""
