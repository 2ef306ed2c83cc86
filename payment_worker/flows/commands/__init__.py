"""Handles requests of other apps: charge, refund, capture, cancel, retry; each becomes an attempt or a rejection."""
