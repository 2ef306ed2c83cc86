"""Checks the result of a chaos run against every invariant: money, lifecycle, history and messages."""
