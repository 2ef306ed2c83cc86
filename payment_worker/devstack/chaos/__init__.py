"""Chaos: many payments while everything dies at random, and then a verdict, by Stripe's own account of the money."""
