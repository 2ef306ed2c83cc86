"""Ports for a development stack of a test's own."""

import itertools
import os

from payment_worker.devstack.ports import Ports

_SIZE = 6
# Below those that Linux hands out to connections (32,768 and up): nobody else comes to them by chance.
_FIRST, _COUNT = 20_000, 2_000
_tries = itertools.count(os.getpid())


def free_port_base() -> int:
    """The first of six ports in a row on which nothing listens, another for each process and each call."""
    bases = (_FIRST + number % _COUNT * _SIZE for number in _tries)
    return next(base for base in bases if not Ports.from_base(base).taken())
