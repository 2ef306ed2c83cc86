"""`make` deletes an environment that is older than its requirements: only ever its own, whatever it is told."""

from pathlib import Path

MAKEFILE = (Path(__file__).parents[2] / "Makefile").read_text(encoding="utf-8")


def test_the_environment_that_it_deletes_cannot_be_chosen() -> None:
    assert "rm -rf $(VENV)" in MAKEFILE
    # Without `override` the command line has the last word.
    assert [line for line in MAKEFILE.splitlines() if "VENV :=" in line] == ["override VENV := .venv"]
