"""Training and evaluation of networks: the training loop, augmentation, schedules and full training runs."""
