"""`payment-worker migrate` brings a database up, twice without harm, and down only when that is meant."""

import json

from payment_worker.store.connection.migrate import newest
from tests.cli.conftest import Run
from tests.harness.rows import Rows


def test_it_goes_up_stays_and_comes_down(bare: Run, empty_database_url: str) -> None:
    settings = {"DATABASE_URL": empty_database_url}

    up = bare("migrate", settings=settings)
    again = bare("migrate", settings=settings)
    unsure = bare("migrate", "--down", "base", settings=settings, answer="n\n")
    down = bare("migrate", "--down", "base", "--yes", settings=settings)

    assert (up.status, up.out) == (0, f"The Payment Database went from empty to {newest()}.\n")
    assert (again.status, again.out) == (0, f"The Payment Database stays at {newest()}.\n")
    assert unsure.status == 1
    assert unsure.out.startswith(
        f"Downgrading from {newest()} to base deletes the newer tables with their rows."
    )
    assert (down.status, down.out) == (0, f"The Payment Database went from {newest()} to empty.\n")


def test_a_schema_newer_than_the_program_says_so(run: Run, rows: Rows) -> None:
    rows("UPDATE alembic_version SET version_num = '0042'")

    migrated, looked = run("migrate"), run("doctor", "--json")

    assert (migrated.status, migrated.out.splitlines()[1]) == (
        0,
        "0042 is unknown to this version: a newer one has migrated, and this one works with it.",
    )
    (told,) = [check for check in json.loads(looked.out)["checks"] if check["name"] == "migrations"]
    assert (told["verdict"], told["says"]) == (
        "note",
        "revision 0042 is unknown to this version: a newer version has migrated the database",
    )


def test_a_revision_that_there_is_not_is_wrong_usage(bare: Run, empty_database_url: str) -> None:
    ran = bare("migrate", "--down", "9999", "--yes", settings={"DATABASE_URL": empty_database_url})

    assert ran.status == 2
    assert "9999" in ran.err
