"""What a charge costs, measured on this machine in one run: `make bench`."""
