"""What settings and plug-ins there are: `nas config`, `nas configs`, `nas init`, `nas schema` and `nas plugins`."""
