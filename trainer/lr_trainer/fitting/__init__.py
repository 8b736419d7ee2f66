"""The ways to a checkpoint: a fit, the first lesson, more rows, several checkpoints."""
