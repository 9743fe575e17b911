"""What can be proposed: spaces that turn decisions into architectures, and published architectures."""
