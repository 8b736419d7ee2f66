"""The terms of a model, its eager PyTorch module, and the checkpoint that it is kept in."""
