"""Discrepancies between our records and Stripe's: the kinds of findings, and the comparison of each object."""
