"""Exact arithmetic and the training box."""
