"""What strangers send costs the log a line at most, whatever it is and however often it comes."""

import json
import random
import re
import socket
import time
from collections import Counter
from itertools import product

from payment_worker.devstack.ports import LOOPBACK
from payment_worker.webhook.log_throttle import SECONDS, LogThrottle
from payment_worker.webhook.responses import Outcome
from tests.webhook.conftest import Receiver, Start
from tests.webhook.sending import an_event, written

HEADS = [
    b"GET / HTTP/1.1\r\nHost: a\r\n",
    b"POST /webhooks/stripe HTTP/1.1\r\nHost: a\r\n",
    b"PUT /%ff%00/\xff HTTP/1.1\r\nHost: a\r\n",
    b"POST /webhooks/stripe HTTP/1.0\r\n",
    b"GET http://[::1/ HTTP/1.1\r\nHost: [\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: a\r\n",
    b"CONNECT a:443 HTTP/1.1\r\nHost: a\r\n",
    b"GET //a@b\\c?\x7f=%zz#x HTTP/1.1\r\nHost: \xff\xfe\r\n",
]
HEADERS = [
    b"",
    b"Content-Length: 18446744073709551616\r\n",
    b"Content-Length: -1\r\n",
    b"Content-Length: 5\r\nContent-Length: 6\r\n",
    b"Content-Length: 0x10\r\n",
    b"Content-Length: " + b"9" * 5_000 + b"\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: gzip\r\n",
    b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
    b"Expect: 100-continue\r\nContent-Length: 5\r\n",
    b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13\r\n",
    b"Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n",
    b"Stripe-Signature: t=\xff,v1=\xff\r\n",
    b"Stripe-Signature: t=" + b"9" * 5_000 + b",v1=a\r\nContent-Length: 2\r\n",
    b"Stripe-Signature: " + b"v1=a," * 2_000 + b"\r\nContent-Length: 2\r\n",
    b"Stripe-Signature: t=1,v1,=,,t,==\r\nContent-Length: 2\r\n",
    b": empty\r\n",
    b" folded: a\r\n",
    b"a\0b: c\r\n",
]
BODIES = [
    b"",
    b"{}",
    b"5\r\nhello\r\n0\r\n\r\n",
    b"zz\r\n",
    b"FFFFFFFFFFFFFFFFF\r\n",
    b"\x00\xff" * 40,
    b'{"a":' * 2_000,
]


def fire(port: int, garbage: bytes) -> None:
    """Send it, wait for an answer or an end, and hang up."""
    with socket.create_connection((LOOPBACK, port), timeout=5) as connection:
        connection.settimeout(0.2)
        try:
            connection.sendall(garbage)
            connection.recv(1_000)
        except OSError:
            return


def _noise(count: int) -> list[bytes]:
    dice = random.Random(24)  # noqa: S311 - the same at each run
    return [dice.randbytes(dice.randrange(1, 400)) for _ in range(count)]


def test_none_of_it_is_a_traceback_or_a_line_each(receiver: Start) -> None:
    sender: Receiver = receiver()
    began = time.monotonic()
    shapes = [head + header + b"\r\n" + body for head, header, body in product(HEADS, HEADERS, BODIES)]
    for garbage in [*shapes[::7], *_noise(50)]:
        fire(sender.port, garbage)

    said = sender.process.output()
    assert "Traceback" not in said
    kinds = Counter(
        re.sub(r"\(\d+ more before\)", "", json.loads(line)["event"]) for line in said.splitlines()
    )
    assert any(kind.startswith("Invalid HTTP request received.") for kind in kinds)
    assert max(kinds.values()) <= len(Outcome) * ((time.monotonic() - began) / SECONDS + 2)
    assert len(said.splitlines()) < len(shapes) / 4
    assert sender.send(written(an_event())).status == 200


def test_what_was_left_out_is_counted() -> None:
    now = 0.0
    throttle = LogThrottle(clock=lambda: now)
    told = []
    for second in (0, 1, 2, SECONDS, SECONDS + 1):
        now = second
        told.append(throttle.pass_one("a"))

    assert told == [0, None, None, 2, None]
    assert throttle.pass_one("b") == 0
