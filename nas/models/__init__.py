"""Networks built from architectures: operations, normalization, cells, stacks and their cost."""
