"""Webhook endpoints and signed deliveries."""
