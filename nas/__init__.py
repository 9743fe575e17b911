"""Architectures, networks, training, the search loop and its ledger: everything that needs no cluster."""
