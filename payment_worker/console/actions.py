"""Handles the console's forms: validates each action, checks the permission, executes it, redirects."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from payment_worker.console import forms
from payment_worker.console.access import User
from payment_worker.console.context import Console
from payment_worker.console.forms import Done, Form, FormError
from payment_worker.flows import pauses
from payment_worker.flows.operator_decisions import close_finding, discard_events, replay_events
from payment_worker.flows.replay_request import Replayed, replay_request
from payment_worker.telemetry import logger

log = logger(__name__)


Action = Callable[[Console, Request, Form, User], Done]


def _by(console: Console, form: Form, user: User) -> Mapping[str, Any]:
    """Who acts, why and when."""
    return {"reason": form.reason, "actor": user.actor, "now": console.writes.now()}


def close(console: Console, request: Request, form: Form, user: User) -> Done:
    """Close a finding."""
    finding_id: int = request.path_params["finding_id"]
    with console.writes.begin() as connection:
        is_closed = finding_id < 2**63 and close_finding(connection, finding_id, **_by(console, form, user))
    if not is_closed:
        raise FormError("That finding is not open any more.")
    return Done.CLOSED


def decide_events(
    decide: Callable[..., Sequence[str]], done: Done, console: Console, _: Request, form: Form, user: User
) -> Done:
    """Replay or discard the chosen events."""
    event_ids = [each for each in form.all("event_id") if "\0" not in each]
    if not event_ids:
        raise FormError("Choose at least one event.")
    with console.writes.begin() as connection:
        if not decide(connection, event_ids, **_by(console, form, user)):
            raise FormError("None of these events can be replayed or discarded any more.")
    return done


def send_again(console: Console, request: Request, form: Form, user: User) -> Done:
    """Send a rejected request again."""
    request_id: UUID = request.path_params["request_id"]
    with console.writes.begin() as connection:
        outcome = replay_request(connection, request_id, send=console.send, **_by(console, form, user))
    if isinstance(outcome, Replayed):
        return Done.SENT if outcome.is_new else Done.SENT_BEFORE
    raise FormError(f"Not sent again: {outcome.sentence}.")


def pause(console: Console, _: Request, form: Form, user: User) -> Done:
    """Pause a kind of requests to Stripe."""
    pauses.pause(console.writes, _kind(form), **_by(console, form, user))
    return Done.PAUSED


def resume(console: Console, _: Request, form: Form, user: User) -> Done:
    """End a pause."""
    pauses.resume(console.writes, [_kind(form)], **_by(console, form, user))
    return Done.RESUMED


def _kind(form: Form) -> str:
    if (kind := form.one("kind")) not in pauses.KINDS:
        raise FormError("Choose what to pause or resume.")
    return kind


ACTIONS: Final[Mapping[str, tuple[Action, str]]] = MappingProxyType(
    {
        "/findings/{finding_id:int}/close": (close, "/findings"),
        "/events/replay": (partial(decide_events, replay_events, Done.REPLAYED), "/events"),
        "/events/discard": (partial(decide_events, discard_events, Done.DISCARDED), "/events"),
        "/requests/rejected/{request_id:uuid}/replay": (send_again, "/requests/rejected"),
        "/pause": (pause, "/"),
        "/resume": (resume, "/"),
    }
)
"""Each form's address, what it does, and the page that follows."""


def endpoint(console: Console, action: Action, following: str) -> Callable[[Request], object]:
    """What answers a form."""

    async def answer(request: Request) -> Response:
        user: User = request.state.user
        if not user.may_act:
            raise HTTPException(HTTPStatus.FORBIDDEN, "You may read, and not act.")
        try:
            form = await forms.read(request)
            if not console.tokens.is_valid(user.name, form.one("token")):
                raise HTTPException(
                    HTTPStatus.FORBIDDEN, "This form is not of a page of ours, or is too old."
                )
            done = await run_in_threadpool(partial(action, console, request, form, user))
        except FormError as error:
            raise HTTPException(HTTPStatus.BAD_REQUEST, str(error)) from None
        log.info("operator acted", action=done.value, path=request.url.path, user=user.name)
        return RedirectResponse(f"{following}?done={done.value}", HTTPStatus.SEE_OTHER)

    return answer
