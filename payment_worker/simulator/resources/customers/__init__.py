"""Customers, their payment methods and SetupIntents."""
