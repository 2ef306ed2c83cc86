"""The workload of a chaos run: what apps request of the worker, and what they read of it."""
