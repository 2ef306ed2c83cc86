"""A stateful Stripe simulator over HTTP; docs/simulator.md describes it and its control API.

It imports nothing of the worker, whose mistakes it would otherwise share, and not `stripe` either.
Everything is kept in memory on one event loop; a request is atomic because its effect awaits nothing.
"""

from payment_worker.simulator.server import main, serve

__all__ = ["main", "serve"]
