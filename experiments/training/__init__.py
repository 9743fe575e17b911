"""`nas train`, `nas evaluate` and `nas ablate`."""
