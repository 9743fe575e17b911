"""`nas benchmark`: controllers on a table of measurements."""
