"""Semantic segmentation: data, networks, training and evaluation."""
