"""The ledger of a run: reading and writing its only state."""
