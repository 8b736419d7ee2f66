"""Models of other libraries to a checkpoint: folded exactly into terms of raw columns, held against their source."""
