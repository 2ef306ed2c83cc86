"""`make chaos`: kills processes and servers under load, then compares every payment with the simulator's ledger."""
