"""Data sets as uint8 arrays in memory, with a fixed split into training, validation and test."""
