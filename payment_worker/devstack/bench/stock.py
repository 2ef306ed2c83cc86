"""Benchmarks stock Celery with an empty task, as the baseline.

No setting of ours: early acknowledgement, `worker_prefetch_multiplier` 4, gossip, Celery's own classes.
"""

import os
from typing import Final

from celery import Celery

BROKER_URL_VARIABLE: Final = "BENCH_STOCK_BROKER_URL"

app = Celery("stock", broker=os.environ.get(BROKER_URL_VARIABLE), set_as_current=False)


@app.task(name="stock.empty")  # type: ignore[untyped-decorator] # Celery has no types
def empty() -> dict[str, str]:
    """Answer as ours does, having done nothing."""
    return {"status": "EMPTY"}
