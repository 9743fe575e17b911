"""What a person runs: the command line, its YAML files, comparisons, figures and reports."""
