"""Parquet and Arrow files, through pyarrow (extra "tables")."""
