"""When a person calls us: `payment-worker …`, one module a group of commands, each loaded when it is asked for."""

from payment_worker.cli.app import main

__all__ = ["main"]
