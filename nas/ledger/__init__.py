"""The ledger of a run: its only state."""
