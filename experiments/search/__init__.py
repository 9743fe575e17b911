"""`nas search` and `nas status`."""
