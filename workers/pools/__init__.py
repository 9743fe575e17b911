"""Pools: where trials run."""
