"""Who proposes: controllers that turn rewards into better decisions."""
