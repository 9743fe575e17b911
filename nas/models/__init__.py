"""Networks built from architectures: operations, normalization, cells, networks and their cost."""
