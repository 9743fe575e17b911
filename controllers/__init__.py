"""Controllers: they propose decisions and learn from rewards."""
