"""The command line `payment-worker`; each group of commands is imported only when it is called."""

from payment_worker.cli.app import main

__all__ = ["main"]
