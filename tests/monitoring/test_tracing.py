"""One trace leads from the app that enqueues to the request to Stripe, and says nothing of anybody."""

import re
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from uuid import uuid4

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from payment_worker.devstack import programs
from payment_worker.devstack.processes import Process
from payment_worker.devstack.waiting import wait_until
from tests.harness.producer import Producer
from tests.harness.rows import Rows

ROOT = Path(__file__).parents[2]
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PLANTED = "planted@example.com"


class Collector:
    """What receives traces, as OpenTelemetry's collector does."""

    def __init__(self) -> None:
        heard: list[bytes] = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                heard.append(self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.heard = heard
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def spans(self) -> dict[str, Any]:
        """Those of our trace, by name."""
        told = [ExportTraceServiceRequest.FromString(each) for each in list(self.heard)]
        spans = [
            span
            for request in told
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]
        return {span.name: span for span in spans if span.trace_id.hex() == TRACE}


@pytest.fixture
def collector() -> Iterator[Collector]:
    """One that listens."""
    listening = Collector()
    thread = Thread(target=listening.server.serve_forever, daemon=True)
    thread.start()
    yield listening
    listening.server.shutdown()
    listening.server.server_close()
    thread.join()


@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_a_trace_leads_from_the_sender_over_the_task_to_stripe(
    worker: Callable[..., Process], collector: Collector, producer: Producer, rows: Rows, pool: str
) -> None:
    settings = {"PAYMENT_WORKER_TRACING": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url}
    running = worker(pool=pool, settings={**settings, "OTEL_BSP_SCHEDULE_DELAY": "100"})
    arguments: dict[str, object] = {
        "payment_id": str(uuid4()),
        "order_id": str(uuid4()),
        "amount": 1200,
        "currency": "EUR",
        "payment_method": "pm_card_visa",
        "description": f"for {PLANTED}",
    }
    sent_by = {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}
    producer.send("payment_worker.charge", "charges", arguments, headers=sent_by)
    rows.wait_for("SELECT * FROM payment WHERE status = 'SUCCEEDED'")

    wanted = {"run/payment_worker.charge", "POST"}
    spans = wait_until(
        lambda: found if wanted <= (found := collector.spans()).keys() else None, what="both spans"
    )
    assert spans is not None
    task, call = spans["run/payment_worker.charge"], spans["POST"]
    assert task.parent_span_id.hex() == "00f067aa0ba902b7"
    assert call.parent_span_id == task.span_id
    assert not any(PLANTED.encode() in each or b"sk_test" in each for each in collector.heard)
    # Tracing that begins before its process does not outlive the fork, and begins a second time.
    assert not re.search("TracerProvider|already instrumented", running.output())


def test_without_the_extra_a_worker_says_so_and_does_not_start(
    environment: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "opentelemetry").mkdir()
    (tmp_path / "opentelemetry" / "__init__.py").write_text("")  # as empty as if it were not there
    settings = {**environment, "PAYMENT_WORKER_TRACING": "true", "PYTHONPATH": f"{tmp_path}:{ROOT}"}
    process = programs.worker(settings, directory=tmp_path).start()

    assert process.wait() == 2
    assert "pip install '.[otel]'" in process.output()
