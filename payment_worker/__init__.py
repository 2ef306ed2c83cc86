"""Payment Worker: drives charges and refunds against Stripe and records what came of them."""

__version__ = "0.1.0"
