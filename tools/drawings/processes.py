"""Draws who talks to whom while a payment is made: the processes of the Procfile, and what is around them."""

from pathlib import Path

from drawings.lanes import Row, lanes

PROCFILE = Path(__file__).parents[2] / "Procfile"
OUTSIDE = {"other apps", "Redis", "PostgreSQL", "Stripe"}

COLUMNS = ("other apps", "Redis", "worker", "PostgreSQL", "Stripe", "webhook", "beat", "flower", "console")
ROWS: tuple[Row, ...] = (
    ("a task by name", ["other apps"], "Redis"),
    ("the task", ["Redis"], "worker"),
    ("note: what will be asked", ["worker"], "PostgreSQL"),
    ("ask, under the stored key", ["worker"], "Stripe"),
    ("note: what was answered", ["worker"], "PostgreSQL"),
    ("an event", ["Stripe"], "webhook"),
    ("the event, stored", ["webhook"], "PostgreSQL"),
    ("a hint that it is there", ["webhook"], "Redis"),
    ("sweep, poll, reconcile", ["beat"], "Redis"),
    ("messages not told yet", ["PostgreSQL"], "worker"),
    ("messages, to the stream", ["worker"], "Redis"),
    ("messages, in order", ["Redis"], "other apps"),
    ("what workers are doing", ["Redis"], "flower"),
    ("what became of payments", ["PostgreSQL"], "console"),
)


def drawing() -> str:
    """What goes from whom to whom.

    Raises:
        ValueError: the Procfile has a process that is not drawn, or lacks one that is.
    """
    lines = PROCFILE.read_text(encoding="utf-8").splitlines()
    processes = {line.partition(":")[0] for line in lines if line and not line.startswith("#")}
    if processes != set(COLUMNS) - OUTSIDE:
        raise ValueError(f"the Procfile has {sorted(processes)}")
    return lanes("Who talks to whom", COLUMNS, ROWS)
