"""Signed delivery of the simulator's events to webhook endpoints, with retries, duplicates and delays."""
