"""How the command line prints rows: timelines, events, findings, reconciliation runs."""
