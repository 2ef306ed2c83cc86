"""The SDK's requestor, without what it composes for each request in vain: 5 to 8 % of the CPU of a child that charges.

stripe-python 16.1.0 formats four log lines, one of them with the whole response, before it asks whether any is written.
For headers that are always the same it reads twelve environment variables and encodes JSON.
"""

import logging
from collections.abc import Mapping
from typing import Any, Final

import stripe
from stripe import StripeClient, _util
from stripe._api_requestor import _APIRequestor

SEEN_WITH: Final = "16.1.0"
"""Another version of the SDK keeps its own requestor: it may rely on what this one leaves out."""


class LeanRequestor(_APIRequestor):
    """Formats log lines only where they are written, and composes once the headers that do not change."""

    def __init__(self, *args: Any) -> None:  # noqa: ANN401 - the SDK's, as all below
        super().__init__(*args)
        self._composed: dict[tuple[object, ...], Mapping[str, str]] = {}

    def request_raw(self, *args: Any, is_streaming: bool = False, **options: Any) -> Any:  # noqa: ANN401
        """The body, status and headers of a response."""
        if is_streaming or _log_lines_are_written():
            return super().request_raw(*args, **options, is_streaming=is_streaming)  # type: ignore[misc]
        method, url, headers, body, retries, usage, *_ = self._args_for_request_with_retries(*args, **options)
        return self._get_http_client().request_with_retries(
            method, url, headers, body, max_network_retries=retries, _usage=usage
        )

    def request_headers(self, method: Any, api_mode: Any, options: Any) -> Any:  # noqa: ANN401
        """The headers of a request, in the SDK's order."""
        key, account = options.get("idempotency_key"), options.get("stripe_account")
        if not key or options.get("stripe_context"):  # a read, or what we do not use
            return super().request_headers(method, api_mode, options)
        same = (method, api_mode, options.get("api_key"), options.get("stripe_version"), bool(account))
        if same not in self._composed:
            self._composed[same] = super().request_headers(method, api_mode, options)
        headers = {**self._composed[same], "Idempotency-Key": key}
        return {**headers, "Stripe-Account": account} if account else headers


def _log_lines_are_written() -> bool:
    console_level = _util._console_log_level()  # type: ignore[no-untyped-call] # noqa: SLF001 - the SDK's
    return console_level is not None or _util.logger.isEnabledFor(logging.INFO)


def make_lean(client: StripeClient) -> StripeClient:
    """Give a client the lean requestor, if this is the SDK that it was written for."""
    if stripe.VERSION == SEEN_WITH:
        requestor = client._requestor  # noqa: SLF001
        client._requestor = LeanRequestor(requestor._options, requestor._client)  # noqa: SLF001
    return client
