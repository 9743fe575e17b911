"""Search spaces, which turn decisions into architectures, and published architectures."""
