"""Handles a `/v1` request: authentication, rate limit, idempotency key, faults, endpoint, response."""

import asyncio
from collections.abc import Sequence
from email.utils import formatdate

from payment_worker.simulator.api.endpoints.endpoint import Endpoint
from payment_worker.simulator.api.endpoints.routes import is_stripes
from payment_worker.simulator.api.endpoints.run_endpoint import run_endpoint
from payment_worker.simulator.api.errors import (
    RequestError,
    invalid_request,
    not_built,
    rate_limited,
    unknown_path,
)
from payment_worker.simulator.api.idempotency import KEY_LENGTH
from payment_worker.simulator.api.requests import Request, body_of, facts_of, parse
from payment_worker.simulator.api.responses import (
    Receive,
    Response,
    Scope,
    Send,
    error_response,
    faulty,
    send_broken,
    send_response,
    server_error,
)
from payment_worker.simulator.control.faults import Fault
from payment_worker.simulator.resources.events import API_VERSION
from payment_worker.simulator.state import Context, State

SIMULATED = {"Stripe-Simulator": "payment-worker"}
"""Says what it is: with a live key, somebody means the real one."""

_HANDLED_LATER = frozenset({"latency", "server_error"})
"""Faults `before` that let the request reach its key: the others never come so far."""


class RequestHandler:
    """Answers `/v1` requests."""

    def __init__(self, state: State, api_keys: Sequence[str] = ()) -> None:
        self.state = state
        self.api_keys = frozenset(api_keys)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or break off if a fault says so."""
        state, request_id = self.state, self.state.ids.new("req_")
        text = await body_of(receive) if scope["method"] != "GET" else scope["query_string"].decode("latin-1")
        try:
            request = parse(self.state, self.api_keys, scope, text, request_id)
        except RequestError as error:
            await self._send(send, None, request_id, error_response(error))
            return
        fault = self._pick_fault(request)
        broken: str | None = None
        response: Response | None
        if fault is not None and fault.when == "before" and fault.kind not in _HANDLED_LATER:
            response = faulty(fault.kind, request.key)
            broken = fault.kind if response is None else None
        else:
            response = await self._execute(request, fault)
            if fault is not None and fault.when == "after":
                response, broken = await self._apply_late_fault(request, fault, response)
        if broken is None and response is not None:
            await self._send(send, request, request_id, response)
            return
        state.journal.count(request.name, None)
        if response is not None:
            response.headers |= self._headers(request_id)
        await send_broken(broken or "reset", response, scope, receive, send)

    def _pick_fault(self, request: Request) -> Fault | None:
        faults = self.state.faults
        fault = faults.pick(facts_of(request)) if faults.by_id else None
        if fault is not None and request.entry is not None:
            request.entry.fault = fault.kind
        return fault

    async def _execute(self, request: Request, fault: Fault | None) -> Response:
        """Claim the key, wait if so told, do it once, keep the response."""
        settings = self.state.settings
        try:
            if request.endpoint is None:
                where = f"{request.method} {request.path}"
                is_known = is_stripes(request.method, request.path)
                raise not_built(where) if is_known else unknown_path(request.method, request.path)
            if not request.account.rate.admits(settings.rate_limit_per_second):
                raise rate_limited()
            replay = self._claim(request)
        except RequestError as error:
            return self._logged(request, error_response(error))
        if replay is not None:
            return replay
        early = fault if fault is not None and fault.when == "before" else None
        wait = settings.latency_seconds + (early.seconds if early and early.kind == "latency" else 0.0)
        if wait:
            await asyncio.sleep(wait)
        return self._run(request, request.endpoint, fails=early is not None and early.kind == "server_error")

    def _run(self, request: Request, endpoint: Endpoint, *, fails: bool) -> Response:
        context = Context(self.state, request.account, request.request_id, request.key)
        response = server_error()
        try:
            if fails:
                response.is_kept = True
            else:
                response = run_endpoint(context, endpoint, request.object_id, request.params)
        finally:
            if request.key is not None:
                request.account.keys.finish(
                    request.key, status=response.status, body=response.body, is_kept=response.is_kept
                )
        return self._logged(request, response, context)

    def _claim(self, request: Request) -> Response | None:
        key = request.key
        if key is None:
            return None
        if len(key) > KEY_LENGTH:
            raise invalid_request(f"Idempotency keys may be at most {KEY_LENGTH} characters.")
        first = request.account.keys.claim(
            key,
            where=f"{request.method} {request.path}",
            params=request.params,
            request_id=request.request_id,
            now=self.state.clock.now(),
            life_seconds=self.state.settings.idempotency_key_seconds,
        )
        if first is None:
            return None
        if request.entry is not None:
            request.entry.replayed, request.entry.status = True, first.status
        headers = {"Idempotent-Replayed": "true", "Original-Request": first.request_id}
        return Response(first.status or 0, first.body, headers)

    @staticmethod
    def _logged(request: Request, response: Response, context: Context | None = None) -> Response:
        entry = request.entry
        if entry is not None:
            entry.status = response.status
            if context is not None:
                entry.effect, entry.object = context.changed, context.object_id
        return response

    async def _apply_late_fault(
        self, request: Request, fault: Fault, response: Response
    ) -> tuple[Response, str | None]:
        """The response after a fault that came once everything was done, and how to break it off, if at all."""
        if fault.kind == "latency":
            await asyncio.sleep(fault.seconds)
            return response, None
        other = faulty(fault.kind, request.key)
        if other is None:
            return response, fault.kind
        if fault.kind == "server_error" and request.key is not None and response.is_kept:
            request.account.keys.keep(request.key, status=other.status, body=other.body)
        return other, None

    def _headers(self, request_id: str) -> dict[str, str]:
        date = formatdate(self.state.stripe_time(), usegmt=True)
        return {"Request-Id": request_id, "Date": date, "Stripe-Version": API_VERSION, **SIMULATED}

    async def _send(self, send: Send, request: Request | None, request_id: str, response: Response) -> None:
        self.state.journal.count(None if request is None else request.name, response.status)
        response.headers = response.headers | self._headers(request_id)
        if request is not None and request.key is not None:
            response.headers["Idempotency-Key"] = request.key
        await send_response(send, response)
