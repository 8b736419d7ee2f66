"""The terms of a model, its eager PyTorch module, and its checkpoint."""
