"""When Celery or kombu changes a method that we override, this says which, before anything else fails."""

import inspect
from pathlib import Path
from types import ModuleType

import pytest
from celery import __version__ as celery_version
from kombu import __version__ as kombu_version

from payment_worker.broker import (
    consumer,
    pool,
    qos,
    read_message,
    request,
    shown_arguments,
    transport,
    worker_heartbeat,
)
from tests.broker.overrides import OVERRIDES, Override, digest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/explanation/celery-overrides.md").read_text(encoding="utf-8")
NOT_OVERRIDDEN = {"__init__", "__call__"}


def _name(override: Override) -> str:
    return f"{override.upstream.__module__}.{override.upstream.__qualname__}"


@pytest.mark.parametrize("override", OVERRIDES, ids=_name)
def test_the_method_is_the_one_that_we_read(override: Override) -> None:
    present = digest(override.upstream)

    assert present == override.digest, (
        f"{_name(override)} has changed (celery {celery_version}, kombu {kombu_version}). Read it, see whether it "
        f"still needs ours ({override.cures}), run {override.test} on both, then write {present!r} as its digest."
    )


@pytest.mark.parametrize("override", OVERRIDES, ids=_name)
def test_its_test_and_its_place_in_the_docs_are_there(override: Override) -> None:
    assert all((ROOT / each).exists() for each in override.test.split(", "))
    assert f"`{override.upstream.__qualname__}`" in PAGE


def test_every_method_that_we_override_is_listed() -> None:
    listed = {each.upstream.__name__ for each in OVERRIDES}
    assert "_lookup" in _overridden(transport)
    assert "restore_by_tag" in _overridden(qos)

    for module in (
        consumer,
        worker_heartbeat,
        pool,
        read_message,
        shown_arguments,
        request,
        transport,
        qos,
    ):
        assert _overridden(module) - NOT_OVERRIDDEN <= listed, module.__name__


def _overridden(module: ModuleType) -> set[str]:
    """The methods of a module's classes that one of Celery's or kombu's has, too."""
    classes = [
        each for _, each in inspect.getmembers(module, inspect.isclass) if each.__module__ == module.__name__
    ]
    upstream = [
        base
        for each in [*classes, transport.Channel]
        for base in each.__mro__
        if base.__module__.startswith(("celery.", "kombu."))
    ]
    own = {name for each in classes for name, value in vars(each).items() if inspect.isfunction(value)}
    return {name for name in own if any(name in vars(base) for base in upstream)}
