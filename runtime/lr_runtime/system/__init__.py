"""Files, signals, threads and late imports: what the operating system and Python ask of every command."""
