"""Reading of configurations as text: YAML files, sections, suggestions for unknown names, and secrets."""
