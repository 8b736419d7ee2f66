"""Engines of many workers as they are: Ray, Spark, DuckDB, and an object store. `make test-engines` installs them."""
