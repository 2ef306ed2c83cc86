"""How we reach Stripe: the only importer of its SDK."""
