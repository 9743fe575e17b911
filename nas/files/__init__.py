"""Files: append-only writing, atomic replacement, strict JSON and locks between processes."""
