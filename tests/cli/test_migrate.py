"""`payment-worker migrate` brings a database up, twice without harm, and down only when that is meant."""

from payment_worker.store.migrate import newest
from tests.cli.conftest import Run


def test_it_goes_up_stays_and_comes_down(bare: Run, empty_database_url: str) -> None:
    settings = {"DATABASE_URL": empty_database_url}

    up = bare("migrate", settings=settings)
    again = bare("migrate", settings=settings)
    unsure = bare("migrate", "--down", "base", settings=settings, answer="n\n")
    down = bare("migrate", "--down", "base", "--yes", settings=settings)

    assert (up.status, up.out) == (0, f"The Payment Database went from empty to {newest()}.\n")
    assert (again.status, again.out) == (0, f"The Payment Database stays at {newest()}.\n")
    assert unsure.status == 1
    assert unsure.out.startswith(f"Going down from {newest()} to base deletes what newer tables hold.")
    assert (down.status, down.out) == (0, f"The Payment Database went from {newest()} to empty.\n")


def test_a_revision_that_there_is_not_is_wrong_usage(bare: Run, empty_database_url: str) -> None:
    ran = bare("migrate", "--down", "9999", "--yes", settings={"DATABASE_URL": empty_database_url})

    assert ran.status == 2
    assert "9999" in ran.err
