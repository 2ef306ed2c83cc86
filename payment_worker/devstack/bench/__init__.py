"""Benchmarks the worker on this machine: `make bench`."""
