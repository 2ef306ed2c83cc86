"""Starts the Stripe simulator as a process and calls its control API."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

from payment_worker.devstack.processes import Process
from payment_worker.devstack.programs import python_module

_READY = r"simulator ready on (http://\S+)"
_TIMEOUT_SECONDS = 30


class SimulatorError(Exception):
    """The simulator did not accept a command. The message is its answer."""


class RunningSimulator:
    """A simulator that serves at `url`, wherever it runs: its control API, as `docs/simulator.md` describes it."""

    def __init__(self, url: str) -> None:
        self.url = url

    def get(self, path: str, **query: object) -> Any:  # noqa: ANN401 JSON
        """`GET /_simulator/{path}`."""
        return self._call("GET", f"{path}?{urlencode(query)}" if query else path)

    def post(self, path: str, body: Mapping[str, object] | None = None) -> Any:  # noqa: ANN401 JSON
        """`POST /_simulator/{path}`."""
        return self._call("POST", path, body or {})

    def delete(self, path: str) -> Any:  # noqa: ANN401 JSON
        """`DELETE /_simulator/{path}`."""
        return self._call("DELETE", path)

    def reset(self) -> None:
        """Forget everything, endpoints too."""
        self.post("reset", {"endpoints": True})

    def fault(self, kind: str, **fields: object) -> str:
        """Add a fault and return its id."""
        return str(self.post("faults", {"kind": kind, **fields})["id"])

    def advance(self, seconds: float) -> None:
        """Let so much of Stripe's time pass at once."""
        self.post("clock/advance", {"seconds": seconds})

    def send_webhooks(self, url: str, secret: str) -> str:
        """Deliver all events to this address from now on, signed with the secret; the endpoint's id."""
        return str(self.post("webhooks/endpoints", {"url": url, "secrets": [secret]})["id"])

    def events(self, **query: object) -> list[dict[str, Any]]:
        """Every event that Stripe made, oldest first."""
        events: list[dict[str, Any]] = self.get("events", **query)["data"]
        return events

    def journal(self, **query: object) -> list[dict[str, Any]]:
        """Every mutating request that it got, oldest first."""
        entries: list[dict[str, Any]] = self.get("journal", **query)["entries"]
        return entries

    def ledger(self, **query: object) -> dict[str, Any]:
        """What really happened to the money."""
        ledger: dict[str, Any] = self.get("ledger", **query)
        return ledger

    def _call(self, method: str, path: str, body: Mapping[str, object] | None = None) -> Any:  # noqa: ANN401 JSON
        request = Request(  # noqa: S310 our own process on the loopback interface
            f"{self.url}/_simulator/{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        try:
            with urlopen(request, timeout=_TIMEOUT_SECONDS) as answer:  # noqa: S310 as above
                return json.load(answer)
        except HTTPError as error:
            with error:
                raise SimulatorError(f"{method} {path}: {error.code} {error.read().decode()}") from None


class Simulator(RunningSimulator):
    """A simulator in a process of its own."""

    def __init__(self, process: Process) -> None:
        super().__init__(process.wait_for_output(_READY)[1])
        self.process = process

    @classmethod
    def start(
        cls,
        directory: Path,
        *,
        arguments: Sequence[str] = (),
        name: str = "simulator",
        port: int | None = None,
    ) -> Self:
        """Start one with its log in the directory, on a free port when none is given."""
        process = python_module(
            *("payment_worker.simulator", "--port", str(port or 0), *arguments),
            directory=directory,
            name=name,
            ready=_READY,
        )
        return cls(process.start().wait_ready())

    def stop(self) -> None:
        """End it. It keeps nothing, so nothing is lost."""
        self.process.kill()
