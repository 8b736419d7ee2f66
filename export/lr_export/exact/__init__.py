"""The exact model: its arithmetic, its numbers, its terms, its training box and its prediction interval."""
