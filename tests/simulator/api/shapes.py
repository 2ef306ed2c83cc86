"""Walks JSON along the SDK's annotations: answers along StripeObject classes, requests along TypedDicts.

The annotations are generated from the pinned API's specification, so what does not fit them is not Stripe.
Open literals (`Literal[…] | str`) are taken as closed: a status the specification does not name is a fault.
"""

import ast
import importlib
import inspect
import sys
import types
import typing
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, ForwardRef, Literal, Union, get_args, get_origin

import stripe
import typing_extensions
from stripe._stripe_object import StripeObject, UntypedStripeObject

_WRAPPERS = (typing.Required, typing.NotRequired, typing_extensions.Required, typing_extensions.NotRequired)
_UNIONS = (Union, types.UnionType)


def answer_faults(value: object, kind: type[StripeObject]) -> list[str]:
    """What in an answer does not fit the SDK's class: missing, unknown, mistyped fields, nested ones too."""
    return list(_faults(value, kind, kind, kind.__name__))


def request_faults(params: object, kind: type) -> list[str]:
    """What in a request's parameters does not fit a TypedDict of `stripe.params`."""
    return list(_faults(params, kind, kind, kind.__name__))


def _faults(value: object, hint: Any, owner: type, at: str) -> Iterable[str]:  # noqa: ANN401 - any annotation
    hint = _resolved(hint, owner)
    origin = get_origin(hint)
    if origin in _WRAPPERS:
        return _faults(value, get_args(hint)[0], owner, at)
    if origin in _UNIONS:
        return _union_faults(value, get_args(hint), owner, at)
    if origin in (Literal, typing_extensions.Literal):
        return () if value in get_args(hint) else (f"{at}: {value!r} is not among its literals",)
    if isinstance(origin, type):
        return _generic_faults(value, origin, get_args(hint), owner, at)
    return _plain_faults(value, hint, at)


def _plain_faults(value: object, hint: Any, at: str) -> Iterable[str]:  # noqa: ANN401 - any plain type
    if hint in (Any, object):
        return ()
    if hint is None or hint is type(None):
        return () if value is None else (f"{at}: {value!r} is not null",)
    if hint is int:
        return () if type(value) is int else (f"{at}: {value!r} is no integer",)
    if hint is float:
        return () if type(value) in (int, float) else (f"{at}: {value!r} is no number",)
    if hint is UntypedStripeObject:
        return () if isinstance(value, dict) else (f"{at}: {value!r} is no object",)
    if typing_extensions.is_typeddict(hint) or issubclass(hint, StripeObject):
        return _object_faults(value, hint, at)
    return () if isinstance(value, hint) else (f"{at}: {value!r} is no {hint.__name__}",)


def _union_faults(value: object, members: tuple[Any, ...], owner: type, at: str) -> Iterable[str]:
    members = tuple(_resolved(member, owner) for member in members)
    literals = [member for member in members if get_origin(member) in (Literal, typing_extensions.Literal)]
    if any(get_args(literal) != ("",) for literal in literals):
        members = tuple(member for member in members if member is not str)
    best: list[str] | None = None
    for member in members:
        found = list(_faults(value, member, owner, at))
        if not found:
            return ()
        # The member that came deepest before it failed tells most.
        if best is None or _depth(found) > _depth(best):
            best = found
    return best or ()


def _depth(found: list[str]) -> int:
    return max(len(fault.partition(":")[0]) for fault in found)


def _generic_faults(
    value: object, origin: type, arguments: tuple[Any, ...], owner: type, at: str
) -> Iterable[str]:
    if origin is list:
        if not isinstance(value, list):
            return (f"{at}: {value!r} is no list",)
        return _each(enumerate(value), arguments[0], owner, at)
    if issubclass(origin, stripe.ListObject):
        if not isinstance(value, dict) or value.get("object") != "list":
            return (f"{at}: {value!r} is no list object",)
        return _each(enumerate(value["data"]), arguments[0], owner, f"{at}.data")
    if not isinstance(value, dict):
        return (f"{at}: {value!r} is no object",)
    return _each(value.items(), arguments[-1], owner, at)


def _each(items: Iterable[tuple[object, object]], hint: Any, owner: type, at: str) -> Iterable[str]:  # noqa: ANN401
    return [fault for name, item in items for fault in _faults(item, hint, owner, f"{at}[{name}]")]


def _object_faults(value: object, kind: type, at: str) -> Iterable[str]:
    if not isinstance(value, Mapping):
        return [f"{at}: {value!r} is no object"]
    hints = _fields(kind)
    found = [f"{at}.{name}: unknown" for name in value if name not in hints]
    for name, (hint, owner) in hints.items():
        if name in value:
            found += _faults(value[name], hint, owner, f"{at}.{name}")
        elif _required(kind, name, hint):
            found.append(f"{at}.{name}: missing")
    return found


def _required(kind: type, name: str, hint: Any) -> bool:  # noqa: ANN401 - any annotation
    if typing_extensions.is_typeddict(kind):
        text = hint.__forward_arg__ if isinstance(hint, ForwardRef) else str(hint)
        return "NotRequired" not in text and name not in _OPTIONS
    return get_origin(hint) not in _UNIONS or type(None) not in get_args(hint)


_OPTIONS = frozenset(stripe.RequestOptions.__annotations__)
"""Parameters and request options share the SDK's TypedDicts; options are not sent as parameters."""


@cache
def _fields(kind: type) -> dict[str, tuple[Any, type]]:
    """Every annotated field with the class that annotates it."""
    hints: dict[str, tuple[Any, type]] = {}
    for base in reversed(kind.__mro__):
        if base in (StripeObject, object, dict) or not base.__module__.startswith("stripe"):
            continue
        for name, hint in inspect.get_annotations(base).items():
            if not name.startswith("_") and not str(hint).startswith("typing.ClassVar"):
                hints[name] = (hint, base)
    return hints


def _resolved(hint: Any, owner: type) -> Any:  # noqa: ANN401 - any annotation
    text = hint.__forward_arg__ if isinstance(hint, ForwardRef) else hint
    if not isinstance(text, str):
        return hint
    module = sys.modules[owner.__module__]
    return eval(text, {**vars(typing_extensions), **vars(module)}, _Imported(module))  # noqa: S307 - the SDK's own


class _Imported(dict[str, object]):
    """Names that a module of the SDK imports for type checkers only."""

    def __init__(self, module: types.ModuleType) -> None:
        self._sources = _sources(module)
        super().__init__()

    def __missing__(self, name: str) -> object:
        home, original = self._sources[name]
        return getattr(importlib.import_module(home), original)


@cache
def _sources(module: types.ModuleType) -> dict[str, tuple[str, str]]:
    imports = (
        node for node in ast.walk(ast.parse(inspect.getsource(module))) if isinstance(node, ast.ImportFrom)
    )
    return {
        alias.asname or alias.name: (str(node.module), alias.name) for node in imports for alias in node.names
    }
