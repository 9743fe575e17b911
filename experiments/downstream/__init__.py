"""`nas detect` and `nas segment`."""
