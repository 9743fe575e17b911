"""Data sets as arrays of uint8 in memory, with a fixed split into training, validation and test."""
