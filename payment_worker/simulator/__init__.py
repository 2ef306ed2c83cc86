"""Stripe in miniature: a stateful stand-in over HTTP, its control API described in docs/simulator.md.

It imports nothing of the worker, whose mistakes it would otherwise share, and not `stripe` either.
Everything is kept in memory on one event loop; a request is atomic because its effect awaits nothing.
"""

from payment_worker.simulator.serving import main, serve

__all__ = ["main", "serve"]
