"""Scores that rank networks without training them."""
