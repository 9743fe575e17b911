"""The Ray cluster: connection, resources and signal handlers."""
