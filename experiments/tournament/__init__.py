"""`nas select`: a tournament between the best trials of a search."""
