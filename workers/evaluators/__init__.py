"""Evaluators: how one trial is measured."""
