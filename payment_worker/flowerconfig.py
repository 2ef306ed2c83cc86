"""Flower's configuration: read-only, and only with authentication.

`celery -A payment_worker flower` finds it by itself, from any directory: `payment_worker.celery` names it. Flower
believes its command line first, then this file, then the environment; so what may be set from the environment
(`FLOWER_…`) is read here.
"""

import ast
import os
from pathlib import Path
from typing import Any


def _secret(name: str) -> str:
    """A value from the environment, or from the file that `…_FILE` names."""
    path = os.environ.get(f"{name}_FILE")
    return os.environ.get(name) or (Path(path).read_text(encoding="utf-8").strip() if path else "")


# Without it everybody who reaches the port reads arguments and tracebacks. Flower asks its OAuth provider only where
# FLOWER_AUTH says whom to let in (seen with flower 2.2.0).
basic_auth = [pair for pair in _secret("FLOWER_BASIC_AUTH").split(",") if pair]
if not basic_auth and not (os.environ.get("FLOWER_AUTH_PROVIDER") and os.environ.get("FLOWER_AUTH")):
    raise SystemExit(
        "Flower does not start without a password: set FLOWER_BASIC_AUTH=user:password,"
        " or both FLOWER_AUTH_PROVIDER and FLOWER_AUTH"
    )

# Not reachable from other machines unless configured: /metrics and /healthcheck have no authentication.
address = os.environ.get("FLOWER_ADDRESS") or "127.0.0.1"

# PORT is how platforms say where they expect whoever serves.
port = int(os.environ.get("FLOWER_PORT") or os.environ.get("PORT") or 5555)

# Otherwise every user may also revoke tasks, send them and stop workers. Apps charge and refund, not this page.
read_only = os.environ.get("FLOWER_READ_ONLY", "true").lower() not in {"false", "0", "no"}

# The page survives a restart if FLOWER_DB names a file. It is only a view: the tables are the record.
db = os.environ.get("FLOWER_DB") or ""
persistent = bool(db)
state_save_interval = 60_000

# A payment's tasks are found by its id, the only part of their arguments that is shown: it comes first.
tasks_columns = os.environ.get("FLOWER_TASKS_COLUMNS") or "kwargs,name,state,received,runtime,uuid,worker"


def format_task(task: Any) -> Any:  # noqa: ANN401 a copy of Celery's, which has no types
    """Show a task's ids as they are, the payment's first: Flower cuts a cell after some 45 characters."""
    ids: dict[str, str] = ast.literal_eval(task.kwargs) if task.kwargs else {}
    payment_id = ids.pop("payment_id", "")
    task.kwargs = " ".join(filter(None, (payment_id, *(f"{name}={value}" for name, value in ids.items()))))
    return task


# Each task kept costs a few kilobytes of memory.
max_tasks = int(os.environ.get("FLOWER_MAX_TASKS") or 20_000)

# Seconds: from a task without a call to Stripe to one that meets its time limit. Floats, or Flower fails.
task_runtime_metric_buckets = [0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 40.0, float("inf")]
