"""A pytest plugin for other apps: Stripe's simulator and a running Payment Worker as fixtures."""
