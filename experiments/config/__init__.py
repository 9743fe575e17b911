"""Configuration: from YAML to validated settings."""
