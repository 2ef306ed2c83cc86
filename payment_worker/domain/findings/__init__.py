"""Findings: their kinds, and the comparison of each of our objects with Stripe's."""
