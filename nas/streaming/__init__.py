"""Training and evaluation on photographs that are decoded by loader processes and augmented as whole batches."""
