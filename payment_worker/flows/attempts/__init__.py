"""Executes attempts: claims one, sends its request or looks up its result, records the outcome."""
