"""The examples in Ruby and PHP: they send a charge and read its outcome with their standard libraries alone."""

from collections.abc import Callable
from pathlib import Path

import pytest

from payment_worker.devstack.processes import Process
from tests.foreign.charged import charged_by
from tests.harness.rows import Rows
from tests.harness.tools import tool

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.mark.parametrize(
    ("program", "package", "file"), [("ruby", "ruby", "charge.rb"), ("php", "php-cli", "charge.php")]
)
def test_its_charge_is_made_and_its_outcome_read(
    *, worker: Callable[..., Process], redis_url: str, rows: Rows, program: str, package: str, file: str
) -> None:
    found = tool(program, comes_with=f"Debian's package {package}")
    worker(pool="threads")

    charged_by([found, file], directory=EXAMPLES / program, redis_url=redis_url, rows=rows)

    assert rows("SELECT * FROM rejected_request") == []
