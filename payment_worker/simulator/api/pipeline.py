"""A request's way: who asks, may it pass, was it made before, what does it do, what goes wrong."""

import asyncio
from collections.abc import Sequence
from email.utils import formatdate

from payment_worker.simulator.api.answers import (
    Answer,
    Receive,
    Scope,
    Send,
    faulty,
    refused,
    send_answer,
    send_broken,
    server_error,
)
from payment_worker.simulator.api.authentication import Caller, authenticate
from payment_worker.simulator.api.endpoints import Endpoint, route
from payment_worker.simulator.api.execution import execute
from payment_worker.simulator.api.idempotency import KEY_LENGTH
from payment_worker.simulator.api.parameters import decode
from payment_worker.simulator.api.refusals import Refusal, bad_request, no_access, rate_limited, unknown_path
from payment_worker.simulator.api.requests import Request, body_of, metadata_of
from payment_worker.simulator.control.faults import Facts, Fault
from payment_worker.simulator.control.journal import Entry
from payment_worker.simulator.world import Account, Act, World

_OWN_ANSWER = frozenset({"latency", "server_error"})
"""Faults `before` that let the request reach its key: the others never come so far."""


class Pipeline:
    """Answers `/v1` requests."""

    def __init__(self, world: World, api_keys: Sequence[str] = ()) -> None:
        self.world = world
        self.api_keys = frozenset(api_keys)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or break off if a fault says so."""
        world, request_id = self.world, self.world.ids.new("req_")
        text = await body_of(receive) if scope["method"] != "GET" else scope["query_string"].decode("latin-1")
        try:
            request = self._understand(scope, text, request_id)
        except Refusal as refusal:
            await self._send(send, None, request_id, refused(refusal))
            return
        fault = self._pick_fault(request)
        broken: str | None = None
        answer: Answer | None
        if fault is not None and fault.when == "before" and fault.kind not in _OWN_ANSWER:
            answer = faulty(fault.kind, request.key)
            broken = fault.kind if answer is None else None
        else:
            answer = await self._serve(request, fault)
            if fault is not None and fault.when == "after":
                answer, broken = await self._spoil(request, fault, answer)
        if broken is None and answer is not None:
            await self._send(send, request, request_id, answer)
            return
        world.journal.count(request.name, None)
        if answer is not None:
            answer.headers |= {"Request-Id": request_id, "Date": self._date()}
        await send_broken(broken or "reset", answer, scope, receive, send)

    def _understand(self, scope: Scope, text: str, request_id: str) -> Request:
        headers = dict(scope["headers"])
        account = self._account_of(authenticate(headers, self.api_keys))
        method, path = scope["method"], scope["path"]
        routed = route(method, path)
        key = headers.get(b"idempotency-key", b"").decode("latin-1") or None
        request = Request(
            method=method,
            path=path,
            endpoint=routed[0] if routed else None,
            object_id=routed[1] if routed else "",
            account=account,
            key=key if method == "POST" else None,
            params=decode(text),
            body=text if method != "GET" else "",
            request_id=request_id,
        )
        if method != "GET":
            request.entry = self._note(request)
        return request

    def _account_of(self, caller: Caller) -> Account:
        self.world.platforms.add(caller.platform)
        if caller.connected in self.world.disconnected:
            raise no_access(caller.account_id)
        return self.world.account(caller.account_id, livemode=caller.livemode)

    def _note(self, request: Request) -> Entry:
        return self.world.journal.add(
            Entry(
                n=len(self.world.journal.entries) + 1,
                at=self.world.clock.now(),
                account=request.account.id,
                method=request.method,
                path=request.path,
                endpoint=request.name,
                key=request.key,
                params=request.params,
                body=request.body,
                request_id=request.request_id,
            )
        )

    def _pick_fault(self, request: Request) -> Fault | None:
        faults = self.world.faults
        if not faults.by_id:
            return None
        facts = Facts(
            request.method,
            request.path,
            request.name,
            request.account.id,
            request.key,
            request.params,
            metadata_of(request),
        )
        fault = faults.pick(facts)
        if fault is not None and request.entry is not None:
            request.entry.fault = fault.kind
        return fault

    async def _serve(self, request: Request, fault: Fault | None) -> Answer:
        """Claim the key, wait if so told, do it once, keep the answer."""
        settings = self.world.settings
        try:
            if request.endpoint is None:
                raise unknown_path(request.method, request.path)
            if not request.account.rate.admits(settings.rate_limit_per_second):
                raise rate_limited()
            replay = self._claim(request)
        except Refusal as refusal:
            return self._noted(request, refused(refusal))
        if replay is not None:
            return replay
        early = fault if fault is not None and fault.when == "before" else None
        wait = settings.latency_seconds + (early.seconds if early and early.kind == "latency" else 0.0)
        if wait:
            await asyncio.sleep(wait)
        return self._do(request, request.endpoint, fails=early is not None and early.kind == "server_error")

    def _do(self, request: Request, endpoint: Endpoint, *, fails: bool) -> Answer:
        act = Act(self.world, request.account, request.request_id, request.key)
        answer = server_error()
        try:
            if fails:
                answer.kept = True
            else:
                answer = execute(act, endpoint, request.object_id, request.params)
        finally:
            if request.key is not None:
                request.account.keys.finish(
                    request.key, status=answer.status, body=answer.body, kept=answer.kept
                )
        return self._noted(request, answer, act)

    def _claim(self, request: Request) -> Answer | None:
        key = request.key
        if key is None:
            return None
        if len(key) > KEY_LENGTH:
            raise bad_request(f"Idempotency keys may be at most {KEY_LENGTH} characters.")
        first = request.account.keys.claim(
            key,
            where=f"{request.method} {request.path}",
            params=request.params,
            request_id=request.request_id,
            now=self.world.clock.now(),
            life_seconds=self.world.settings.idempotency_key_seconds,
        )
        if first is None:
            return None
        if request.entry is not None:
            request.entry.replayed, request.entry.status = True, first.status
        headers = {"Idempotent-Replayed": "true", "Original-Request": first.request_id}
        return Answer(first.status or 0, first.body, headers)

    @staticmethod
    def _noted(request: Request, answer: Answer, act: Act | None = None) -> Answer:
        entry = request.entry
        if entry is not None:
            entry.status = answer.status
            if act is not None:
                entry.effect, entry.object = act.changed, act.touched
        return answer

    async def _spoil(self, request: Request, fault: Fault, answer: Answer) -> tuple[Answer, str | None]:
        """The answer after a fault that came once everything was done, and how to break it off, if at all."""
        if fault.kind == "latency":
            await asyncio.sleep(fault.seconds)
            return answer, None
        other = faulty(fault.kind, request.key)
        if other is None:
            return answer, fault.kind
        if fault.kind == "server_error" and request.key is not None and answer.kept:
            request.account.keys.keep(request.key, status=other.status, body=other.body)
        return other, None

    def _date(self) -> str:
        return formatdate(self.world.told_now(), usegmt=True)

    async def _send(self, send: Send, request: Request | None, request_id: str, answer: Answer) -> None:
        self.world.journal.count(None if request is None else request.name, answer.status)
        answer.headers = {**answer.headers, "Request-Id": request_id, "Date": self._date()}
        if request is not None and request.key is not None:
            answer.headers["Idempotency-Key"] = request.key
        await send_answer(send, answer)
