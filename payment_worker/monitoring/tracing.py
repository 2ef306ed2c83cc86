"""Configures OpenTelemetry: one trace from the app that enqueues through the task to the requests to Stripe.

OpenTelemetry's own variables configure the exporter: `OTEL_EXPORTER_OTLP_ENDPOINT`, `OTEL_TRACES_SAMPLER` and so on.
Spans contain names of tasks, queues and Stripe's paths; neither arguments nor results.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

from payment_worker.telemetry import spans

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer

SERVICE: Final = "payment-worker"
NEEDED: Final = (
    "opentelemetry.exporter.otlp.proto.http",
    "opentelemetry.instrumentation.celery",
    "opentelemetry.sdk",
)

ERRORS_FROM: Final = 400
"""Statuses that make a client's span one of an error."""


class ExtraMissingError(Exception):
    """PAYMENT_WORKER_TRACING needs the extra `otel`: in a checkout, pip install '.[otel]'."""

    def __init__(self) -> None:
        super().__init__(self.__doc__)


def check_extra() -> None:
    """Say so while the worker starts, not when its first child does.

    Raises:
        ExtraMissingError: the optional packages are not installed.
    """
    try:
        specs = [find_spec(module) for module in NEEDED]
    except ModuleNotFoundError:  # a part of it is there
        raise ExtraMissingError from None
    if None in specs:
        raise ExtraMissingError


def begin_tracing() -> Callable[[], None]:
    """Trace what this process does from now on. Called where tasks run, so in a child after the fork.

    Returns:
        What sends the last spans, to be called before the process ends.
    """
    from opentelemetry import trace  # noqa: PLC0415 - an extra, which most installations do without
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 - likewise
    from opentelemetry.instrumentation.celery import CeleryInstrumentor  # noqa: PLC0415 - likewise
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 - likewise
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415 - likewise

    os.environ.setdefault("OTEL_SERVICE_NAME", SERVICE)
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    CeleryInstrumentor().instrument()
    spans.begin(_Spans(trace.get_tracer(SERVICE)))
    stop: Callable[[], None] = provider.shutdown
    return stop


class _Spans:
    """Calls as spans of OpenTelemetry, named as its conventions for HTTP clients have it. A `spans.Tracer`."""

    def __init__(self, tracer: "Tracer") -> None:
        self._tracer = tracer

    @contextmanager
    def call(self, method: str, url: str, /) -> Iterator[spans.NoteStatus]:
        from opentelemetry.trace import SpanKind, StatusCode  # noqa: PLC0415 - as above

        # Neither the query nor an error's text: they may hold what is a customer's.
        attributes = {"http.request.method": method, "url.full": url.partition("?")[0]}
        with self._tracer.start_as_current_span(
            method, kind=SpanKind.CLIENT, attributes=attributes, record_exception=False
        ) as span:

            def record_status(status: int) -> None:
                span.set_attribute("http.response.status_code", status)
                if status >= ERRORS_FROM:
                    span.set_status(StatusCode.ERROR)

            yield record_status
