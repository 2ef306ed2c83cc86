"""Handles the console's forms: validates each action, checks the permission, executes it, redirects."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from payment_worker.console import forms
from payment_worker.console.context import Console
from payment_worker.console.forms import Done, Form, refused
from payment_worker.flows import pauses
from payment_worker.flows.operator_decisions import close_finding, discard_events, replay_events
from payment_worker.flows.replay_request import Replayed, replay_request
from payment_worker.telemetry import logger

log = logger(__name__)


@dataclass(frozen=True, slots=True)
class Act:
    """What an operator asks for."""

    console: Console
    path_params: Mapping[str, Any]
    form: Form
    by: Mapping[str, Any]
    """Who acts, why and when."""

    @property
    def kind(self) -> str:
        """The kind of requests to Stripe that is to be paused or resumed."""
        if (kind := self.form.get("kind", "")) not in pauses.KINDS:
            raise refused("Choose what to pause or resume.")
        return kind


Action = Callable[[Act], Done]


def close(act: Act) -> Done:
    """Close a finding."""
    finding_id: int = act.path_params["finding_id"]
    with act.console.writes.begin() as connection:
        if not (finding_id < 2**63 and close_finding(connection, finding_id, **act.by)):
            raise refused("That finding is not open any more.")
    return Done.CLOSED


def decide_events(act: Act, *, decide: Callable[..., Sequence[str]], done: Done) -> Done:
    """Replay or discard the chosen events."""
    event_ids = act.form.getlist("event_id")
    if not event_ids:
        raise refused("Choose at least one event.")
    with act.console.writes.begin() as connection:
        if not decide(connection, event_ids, **act.by):
            raise refused("None of these events can be replayed or discarded any more.")
    return done


def send_again(act: Act) -> Done:
    """Send a rejected request again."""
    request_id, send = act.path_params["request_id"], act.console.send
    with act.console.writes.begin() as connection:
        outcome = replay_request(connection, request_id, send=send, **act.by)
    if isinstance(outcome, Replayed):
        return Done.SENT if outcome.is_new else Done.SENT_BEFORE
    raise refused(f"Not sent again: {outcome.sentence}.")


def pause(act: Act) -> Done:
    """Pause a kind of requests to Stripe."""
    pauses.pause(act.console.writes, act.kind, **act.by)
    return Done.PAUSED


def resume(act: Act) -> Done:
    """End a pause."""
    pauses.resume(act.console.writes, [act.kind], **act.by)
    return Done.RESUMED


ACTIONS: Final[Mapping[str, tuple[Action, str]]] = {
    "/findings/{finding_id:int}/close": (close, "/findings"),
    "/events/replay": (partial(decide_events, decide=replay_events, done=Done.REPLAYED), "/events"),
    "/events/discard": (partial(decide_events, decide=discard_events, done=Done.DISCARDED), "/events"),
    "/requests/rejected/{request_id:uuid}/replay": (send_again, "/requests/rejected"),
    "/pause": (pause, "/"),
    "/resume": (resume, "/"),
}
"""Each form's address, what it does, and the page that follows."""


async def act(console: Console, action: Action, following: str, request: Request) -> Response:
    """Answer a form."""
    user = request.state.user
    if not user.may_act:
        raise HTTPException(HTTPStatus.FORBIDDEN, "You may read, and not act.")
    form = await forms.read(request)
    if not console.tokens.is_valid(user.name, form.get("token", "")):
        raise HTTPException(HTTPStatus.FORBIDDEN, "This form is not of a page of ours, or is too old.")

    def acted() -> Done:
        by = {
            "reason": forms.reason_of(form),
            "actor": f"{user.name} in the console",
            "now": console.writes.now(),
        }
        return action(Act(console, request.path_params, form, by))

    done = await run_in_threadpool(acted)
    log.info("operator acted", action=done.value, path=request.url.path, user=user.name)
    return RedirectResponse(f"{following}?done={done.value}", HTTPStatus.SEE_OTHER)
