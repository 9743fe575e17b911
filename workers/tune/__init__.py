"""Ray Tune: its search algorithm interface and tournaments."""
