"""Imports a library as if packages that it can do without were not installed."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without(*packages: str) -> Iterator[None]:
    """Hide packages from the imports of the block, unless they are loaded already.

    For libraries that load what we never use if it is there: each process of ours would hold it in memory.
    """
    hidden = [each for each in packages if each not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type] # None is Python's sign of no such module
    try:
        yield
    finally:
        for each in hidden:
            del sys.modules[each]
