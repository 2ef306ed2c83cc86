"""The Stripe gateway: the only package that imports Stripe's SDK."""
