"""The simulator's control API: faults, clock, money events, the journal and the ledger of what happened."""
