"""Longer Ray jobs: data-parallel training and detector training."""
