"""Webhook endpoints, and signed deliveries to them."""
