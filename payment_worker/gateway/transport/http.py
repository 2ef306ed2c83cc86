"""The SDK's HTTP client over libcurl, with a deadline for the whole call: a read timeout restarts with every byte.

libcurl uses the proxy that the environment names (`https_proxy`, `no_proxy`). It follows no redirect, which would make
a GET of a POST.
"""

import time
from collections import deque
from collections.abc import Callable, Mapping
from io import BytesIO
from typing import Any, Final

import pycurl
import stripe

from payment_worker.telemetry import spans

CONNECT_TIMEOUT_SECONDS: Final = 5.0

PROGRESS_SECONDS: Final = 1.0
"""libcurl reports progress at least this often. A longer pause means that this process was stopped, and says nothing of
Stripe."""


class DeadlineClient(stripe.HTTPClient):
    """The SDK's client over libcurl, with one limit for connecting, sending and reading together.

    The SDK's own goes through `requests`, which costs more than connection, TLS and answer together.
    """

    name = "pycurl"

    def __init__(self, *, timeout_seconds: float) -> None:
        super().__init__()
        self._timeout_seconds = timeout_seconds
        # Each handle keeps its connection. A call takes one and puts it back, whichever thread makes it.
        self._idle: deque[pycurl.Curl] = deque()

    def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None,
        post_data: Any = None,  # noqa: ANN401 - the SDK's signature
        **_: Any,  # noqa: ANN401 - likewise
    ) -> Any:  # noqa: ANN401 - likewise: it tells of text where its own clients return bytes
        """One call. The names of the returned headers are in lower case.

        Raises:
            stripe.APIConnectionError: it was not answered, or not in time.
        """
        with spans.call(method.upper(), url) as record_status:
            try:
                body, status, head = self._perform(method, url, headers or {}, post_data)
            except (pycurl.error, ValueError) as error:
                reason = str(error.args[-1])
                raise stripe.APIConnectionError(reason) from error  # type: ignore[no-untyped-call] # the SDK's
            record_status(status)
        return body, status, _headers(head)

    def _perform(
        self, method: str, url: str, headers: Mapping[str, str], post_data: str | bytes | None
    ) -> tuple[bytes, int, bytes]:
        body, head = BytesIO(), BytesIO()
        curl = self._handle()
        _describe(curl, method, url, headers, post_data)
        curl.setopt(pycurl.XFERINFOFUNCTION, deadline(self._timeout_seconds))
        curl.setopt(pycurl.WRITEDATA, body)
        curl.setopt(pycurl.HEADERFUNCTION, head.write)
        curl.perform()
        status: int = curl.getinfo(pycurl.RESPONSE_CODE)
        self._idle.append(curl)
        return body.getvalue(), status, head.getvalue()

    def _handle(self) -> pycurl.Curl:
        try:
            return self._idle.pop()
        except IndexError:
            curl = pycurl.Curl()
        connect_seconds = min(CONNECT_TIMEOUT_SECONDS, self._timeout_seconds)
        curl.setopt(pycurl.CONNECTTIMEOUT_MS, int(connect_seconds * 1000))
        curl.setopt(pycurl.CAINFO, stripe.ca_bundle_path)
        curl.setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1)
        curl.setopt(pycurl.ACCEPT_ENCODING, "gzip, deflate")
        curl.setopt(pycurl.UPLOAD_BUFFERSIZE, 16_384)  # the least; a request has a tenth of it
        curl.setopt(pycurl.NOSIGNAL, 1)
        curl.setopt(pycurl.NOPROGRESS, 0)
        return curl

    def close(self) -> None:
        """Close the connections that nobody uses."""
        while self._idle:
            self._idle.pop().close()


def _describe(
    curl: pycurl.Curl, method: str, url: str, headers: Mapping[str, str], post_data: str | bytes | None
) -> None:
    lines = [f"{name}: {value}" for name, value in headers.items()]
    if any("\n" in line or "\r" in line for line in lines):
        raise ValueError("a header of two lines")
    curl.setopt(pycurl.URL, url)
    curl.setopt(pycurl.HTTPHEADER, lines)
    if method != "post":
        curl.setopt(pycurl.HTTPGET, 1)
        return
    content = post_data.encode() if isinstance(post_data, str) else post_data or b""
    # Not POSTFIELDS: libcurl would send those again by itself if a kept connection is closed without a response.
    curl.setopt(pycurl.POST, 1)
    curl.setopt(pycurl.POSTFIELDSIZE, len(content))
    curl.setopt(pycurl.READDATA, BytesIO(content))


def deadline(seconds: float, *, clock: Callable[[], float] = time.monotonic) -> Callable[..., bool]:
    """A function that libcurl asks whether to give up: each time that it reports progress."""
    last, left = clock(), seconds

    def is_over(*_: float) -> bool:
        nonlocal last, left
        now = clock()
        last, left = now, left - min(now - last, PROGRESS_SECONDS)
        return left < 0

    return is_over


def _headers(head: bytes) -> Mapping[str, str]:
    parts = (line.partition(":") for line in head.decode("latin-1").splitlines())
    return {name.lower(): value.strip() for name, _, value in parts}
