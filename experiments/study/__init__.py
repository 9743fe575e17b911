"""`nas study pretraining`."""
