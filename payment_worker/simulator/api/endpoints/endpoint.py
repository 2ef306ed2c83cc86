"""The description of one endpoint: method, path, handler and parameters."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from payment_worker.simulator.api import pagination
from payment_worker.simulator.api.parameters.checks import Check, integer, text
from payment_worker.simulator.api.parameters.schemas import EXPAND
from payment_worker.simulator.state import Context, Json

Handler = Callable[[Context, str, dict[str, Any]], Json]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One operation; `{id}` in the path is the only variable part."""

    name: str
    method: str
    path: str
    handler: Handler
    kind: str
    parameters: dict[str, Check] = field(default_factory=dict)
    requires: tuple[str, ...] = ()

    @property
    def lists(self) -> bool:
        """Whether the response holds many objects."""
        return self.name.endswith((".list", ".search"))


def lists(name: str, handler: Handler, kind: str, **more: Check) -> Endpoint:
    """`GET` a page of objects."""
    return Endpoint(f"{name}.list", "GET", f"/v1/{name}", handler, kind, {**pagination.PARAMETERS, **more})


def retrieves(name: str, handler: Handler, kind: str, **more: Check) -> Endpoint:
    """`GET` one object."""
    return Endpoint(f"{name}.retrieve", "GET", f"/v1/{name}/{{id}}", handler, kind, {**EXPAND, **more})


def creates(name: str, handler: Handler, kind: str, parameters: dict[str, Check], *requires: str) -> Endpoint:
    """`POST` to a collection."""
    return Endpoint(f"{name}.create", "POST", f"/v1/{name}", handler, kind, parameters, requires)


def updates(name: str, handler: Handler, kind: str, parameters: dict[str, Check]) -> Endpoint:
    """`POST` to one object."""
    return Endpoint(f"{name}.update", "POST", f"/v1/{name}/{{id}}", handler, kind, parameters)


def acts(
    name: str, verb: str, handler: Handler, kind: str, parameters: dict[str, Check], *requires: str
) -> Endpoint:
    """`POST` a verb to one object, such as `confirm`."""
    path = f"/v1/{name}/{{id}}/{verb}"
    return Endpoint(f"{name}.{verb}", "POST", path, handler, kind, parameters, requires)


def searches(name: str, handler: Handler, kind: str) -> Endpoint:
    """`GET` what Stripe's query language asks for."""
    parameters = {**EXPAND, "limit": integer, "page": text(), "query": text()}
    return Endpoint(f"{name}.search", "GET", f"/v1/{name}/search", handler, kind, parameters, ("query",))
