"""From rows and tables to predictions."""
