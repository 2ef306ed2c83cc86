"""A log line says what it is about: the task, the block and what was learned in it, and nothing of those before."""

import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from payment_worker.telemetry import about, configure, forget, learned, logger


@pytest.fixture(autouse=True)
def own_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level, configuration = root.handlers[:], root.level, structlog.get_config()
    forget()
    yield
    forget()
    structlog.configure(**configuration)
    root.handlers[:] = handlers
    root.setLevel(level)


def test_what_is_bound_is_bound_until_its_block_or_its_task_ends(capsys: pytest.CaptureFixture[str]) -> None:
    configure(log_format="json", level="DEBUG")
    log = logger("payment_worker.anything")
    learned(task="charge")
    with about(payment_id="p1", refund_id=None):
        learned(attempt=1)
        log.info("inside", attempt=2)
    log.info("outside")
    forget()
    log.info("over")
    inside, outside, over = map(json.loads, capsys.readouterr().err.splitlines())
    assert (inside["task"], inside["payment_id"], inside["attempt"]) == ("charge", "p1", 2)
    assert "refund_id" not in inside
    assert outside.keys() - over.keys() == {"task"}
    assert over.keys() == {"event", "level", "logger", "timestamp"}


def test_a_line_below_the_level_is_not_written(capsys: pytest.CaptureFixture[str]) -> None:
    configure(log_format="json", level="WARNING")
    log = logger("payment_worker.anything_else")
    log.info("routine")
    log.warning("trouble")
    (line,) = map(json.loads, capsys.readouterr().err.splitlines())
    assert line["event"] == "trouble"
