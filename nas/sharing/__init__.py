"""Weights that all networks of a search share: keys of tensors, the store, and the training of borrowed weights."""
