"""Findings: their kinds, and the comparison of each object of ours with Stripe's."""
