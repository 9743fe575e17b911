"""Naming, counting, drawing and exporting architectures."""
