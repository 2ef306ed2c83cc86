"""Stripe's lists: read page by page, searched for one object, or imported."""
