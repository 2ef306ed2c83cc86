"""Prints rows for the command line: timelines, events, findings, reconciliation runs."""
