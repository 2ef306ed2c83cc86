"""A webhook endpoint that keeps what it is sent and answers what it is told."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import stripe

from payment_worker.devstack.waiting import wait_until


@dataclass(frozen=True)
class Received:
    """One delivery as it came."""

    body: bytes
    signature: str

    def event(self, secret: str) -> stripe.Event:
        """Verified by Stripe's own library."""
        return stripe.Webhook.construct_event(self.body, self.signature, secret)  # type: ignore[no-untyped-call,no-any-return,unused-ignore]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # Many deliveries connect at once.
    request_queue_size = 128


class Receiver:
    """Listens on a free port; `status` is what it answers."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.status = 200
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/webhooks/stripe"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def wait_for(self, condition: Callable[[list[Received]], object]) -> list[Received]:
        """What came, once the condition holds."""
        wait_until(lambda: condition(self.received), seconds=10, what="deliveries")
        return list(self.received)

    def types(self, secret: str) -> list[str]:
        """The types of the events received, in order of arrival."""
        return [delivery.event(secret).type for delivery in self.received]

    def close(self) -> None:
        """Listen no more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _handler(receiver: Receiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 30

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.received.append(Received(body, self.headers["Stripe-Signature"]))
            self.send_response(receiver.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_arguments: Any) -> None:  # noqa: ANN401 - the standard library's signature
            pass

    return Handler
