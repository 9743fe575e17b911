"""`nas robustness` and `nas divergence`."""
