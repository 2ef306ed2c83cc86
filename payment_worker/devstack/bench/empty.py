"""Benchmarks an empty task of our own worker, with the same settings as a charge."""

from payment_worker.celery import app

# The consumer rejects, at great cost, what does not come from the queue of its task.
app.conf.task_taken_from["payment_worker.empty"] = ("maintenance",)


@app.task(name="payment_worker.empty", queue="maintenance", typing=False)  # type: ignore[untyped-decorator]
def empty(**_: object) -> dict[str, str]:
    """Answer as a charge does, having done nothing."""
    return {"status": "EMPTY"}
