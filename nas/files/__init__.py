"""Files: append-only writing, atomic replacement, strict JSON, and a lock between processes."""
