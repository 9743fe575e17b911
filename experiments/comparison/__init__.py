"""`nas compare`: statistics, figures and reports."""
