"""Networks as source code that needs nothing of this project."""
