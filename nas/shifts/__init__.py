"""Appearance shifts: changes of images that keep their content."""
