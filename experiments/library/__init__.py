"""The library in Python: what the command line does, with objects; `nas` offers its public names."""
