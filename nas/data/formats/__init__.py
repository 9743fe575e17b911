"""Formats that accompany images: lists of labels, tar shards, EXIF orientation."""
