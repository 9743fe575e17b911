"""Watching searches in a browser: one page, live from a server or as a file with its data inside."""
