"""Weights published by others, converted to the networks of this project."""
