"""The one training loop, and its augmentation and schedules."""
