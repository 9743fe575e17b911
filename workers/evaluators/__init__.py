"""Evaluators: each turns one trial into its outcome."""
