"""Evaluators, which turn a trial into an outcome, and the pools that run them."""
