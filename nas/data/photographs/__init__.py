"""Photographs that are decoded when they are needed, from folders or from tar shards."""
