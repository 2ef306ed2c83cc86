"""Reads settings from the environment and from files, and collects every error in them."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

from pydantic_core import ErrorDetails

_OURS: Final = "PAYMENT_WORKER_"


class SettingsError(Exception):
    """The environment does not make valid settings. The message has a line for every fault."""

    def __init__(self, faults: Iterable[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(("Invalid settings:", *(f"  {fault}" for fault in self.faults))))


def values_in(environ: Mapping[str, str], names: Iterable[str]) -> tuple[dict[str, Any], dict[str, str]]:
    """The values of these settings, and what is wrong with the files that should hold one."""
    values: dict[str, Any] = {}
    unread: dict[str, str] = {}
    for name in names:
        if value := environ.get(name, "").strip():  # a newline from a file, a blank from a form
            values[name] = value
        elif path := environ.get(f"{name}_FILE"):
            try:
                values[name] = Path(path).read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                unread[name] = f"{name}_FILE: cannot be read ({type(error).__name__})"
    return values, unread


def unknown_in(environ: Mapping[str, str], names: Collection[str]) -> Iterator[str]:
    """A fault for each name that would be ours if there were such a setting, with the one that may be meant."""
    known = {name.removeprefix(_OURS): name for name in names}
    for name in sorted(environ):
        file = "_FILE" if name.endswith("_FILE") else ""
        if name.startswith(_OURS) and not {name, name.removesuffix("_FILE")} & set(names):
            alike = get_close_matches(name.removeprefix(_OURS).removesuffix("_FILE"), known, n=1)
            yield f"{name}: no such setting" + (f"; {known[alike[0]]}{file} is alike" if alike else "")


def error_text(detail: ErrorDetails) -> str:
    """Pydantic's error about a value, as one line."""
    return f"{detail['loc'][0]}: {str(detail['msg']).removeprefix('Value error, ')}"
