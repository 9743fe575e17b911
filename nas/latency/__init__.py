"""Latency and memory of networks, measured where they will run."""
