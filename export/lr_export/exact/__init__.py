"""Exact arithmetic, the training box and the prediction interval."""
