"""Functions that only make training on CPUs faster; each computes the same as a plain expression of torch's."""
