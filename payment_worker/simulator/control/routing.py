"""Routes of the control API: JSON in and out, mistakes as 400, unknown ids as 404."""

from collections.abc import Awaitable, Callable
from json import JSONDecodeError
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from payment_worker.simulator.api.errors import RequestError
from payment_worker.simulator.api.parameters.form import decode
from payment_worker.simulator.api.serialization import to_json
from payment_worker.simulator.state import Account, Context, State

Json = dict[str, Any]

_ADDRESS = {"account", "livemode"}
"""Which account a request is about; any of them may say."""


class ControlError(Exception):
    """A control request is wrong; the message is the response's `error`."""

    def __init__(self, message: str, *, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class ControlRequest:
    """One control request: the state it works on, the ids in its path, its query and its JSON body."""

    def __init__(self, state: State, request: Request, body: Json) -> None:
        self.state = state
        self.path: dict[str, str] = request.path_params
        self.query = decode(request.url.query)
        self.body = body

    @property
    def account_id(self) -> str | None:
        """Which account is meant; None: the platform's own."""
        named = self.body.get("account") or self.query.get("account")
        return None if named is None else str(named)

    @property
    def livemode(self) -> bool:
        """Which mode of the account is meant."""
        named = self.body.get("livemode", self.query.get("livemode", False))
        if named not in (True, False, "true", "false"):
            raise ControlError("livemode must be true or false")
        return named in (True, "true")

    @property
    def account(self) -> Account:
        """The account that is meant."""
        return self.state.account(self.account_id, livemode=self.livemode)

    def context(self) -> Context:
        """Something that a person or bank does there."""
        return Context(self.state, self.account)

    def fields(self, **defaults: object) -> Json:
        """The body with defaults filled in. Raises ControlError for a name that is not among them."""
        unknown = self.body.keys() - defaults.keys() - _ADDRESS
        if unknown:
            raise ControlError(f"unknown fields: {', '.join(sorted(unknown))}")
        return {**defaults, **{name: self.body[name] for name in defaults if name in self.body}}


Handler = Callable[[ControlRequest], Awaitable[Json] | Json]


def json_route(state: State, path: str, method: str, handler: Handler) -> Route:
    """A route that answers what its handler returns, as JSON."""

    async def endpoint(request: Request) -> Response:
        try:
            result = handler(ControlRequest(state, request, await _json(request)))
            response, status = (result if isinstance(result, dict) else await result), 200
        except ControlError as error:
            response, status = {"error": str(error)}, error.status
        except (ValueError, TypeError) as error:
            response, status = {"error": str(error)}, 400
        except RequestError as error:
            response, status = (
                {"error": str(error)},
                404 if error.error.get("code") == "resource_missing" else 400,
            )
        return Response(to_json(response), status_code=status, media_type="application/json")

    return Route(f"/_simulator{path}", endpoint, methods=[method])


async def _json(request: Request) -> Json:
    try:
        body = await request.json() if await request.body() else {}
    except (JSONDecodeError, UnicodeDecodeError) as error:
        raise ControlError("the body is not JSON") from error
    if not isinstance(body, dict):
        raise ControlError("the body must be a JSON object")
    return body
