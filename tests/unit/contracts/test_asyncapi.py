"""The AsyncAPI document says exactly what the code accepts and tells."""

import json
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

from payment_worker import __version__
from payment_worker.contracts.envelope import MESSAGE_TYPES, schema
from payment_worker.contracts.requests import (
    AdoptRequest,
    CancelRequest,
    CaptureRequest,
    ChargeRequest,
    FetchEventRequest,
    ImportBalanceRequest,
    MaintenanceRequest,
    ReconcileRequest,
    RefundRequest,
    Request,
    RetryChargeRequest,
    StripeEventRequest,
)

FOLDER = resources.files("payment_worker.contracts")
DOCUMENT: dict[str, Any] = yaml.safe_load((FOLDER / "asyncapi.yaml").read_text(encoding="utf-8"))

# The interface's table of tasks: queue and arguments by name.
TASKS: dict[str, tuple[str, type[Request]]] = {
    "payment_worker.charge": ("charges", ChargeRequest),
    "payment_worker.adopt": ("charges", AdoptRequest),
    "payment_worker.capture": ("charges", CaptureRequest),
    "payment_worker.cancel": ("charges", CancelRequest),
    "payment_worker.retry_charge": ("charges", RetryChargeRequest),
    "payment_worker.refund": ("refunds", RefundRequest),
    "payment_worker.receive_stripe_event": ("events", StripeEventRequest),
    "payment_worker.fetch_stripe_event": ("events", FetchEventRequest),
    "payment_worker.poll_stripe_events": ("maintenance", MaintenanceRequest),
    "payment_worker.resume_stalled": ("maintenance", MaintenanceRequest),
    "payment_worker.reconcile": ("maintenance", ReconcileRequest),
    "payment_worker.import_balance": ("maintenance", ImportBalanceRequest),
    "payment_worker.publish_events": ("maintenance", MaintenanceRequest),
    "payment_worker.prune": ("maintenance", MaintenanceRequest),
}


def resolved(node: dict[str, Any]) -> dict[str, Any]:
    """What a reference inside the document, or to a file beside it, stands for."""
    if "$ref" not in node:
        return node
    place, _, path = str(node["$ref"]).partition("#")
    found = json.loads(FOLDER.joinpath(place).read_text(encoding="utf-8")) if place else DOCUMENT
    for part in filter(None, path.split("/")):
        found = found[part]
    return resolved(found)


def messages_of(channel: str) -> dict[str, dict[str, Any]]:
    """The channel's messages by name."""
    found = [resolved(message) for message in DOCUMENT["channels"][channel]["messages"].values()]
    return {message["name"]: message for message in found}


def references(node: object) -> list[dict[str, Any]]:
    """Every reference below the node."""
    match node:
        case {"$ref": str(place)}:
            return [{"$ref": place}]
        case dict():
            return [found for value in node.values() for found in references(value)]
        case list():
            return [found for value in node for found in references(value)]
        case _:
            return []


def without_titles(node: Any) -> Any:  # noqa: ANN401 - any part of a schema
    """The schema less the titles that pydantic makes up out of the names, at any depth."""
    match node:
        case dict():
            return {k: without_titles(v) for k, v in node.items() if k != "title" or not isinstance(v, str)}
        case list():
            return [without_titles(each) for each in node]
        case _:
            return node


def test_the_document_has_the_parts_of_asyncapi_3() -> None:
    assert DOCUMENT["asyncapi"] == "3.0.0"
    assert {"title", "version"} <= DOCUMENT["info"].keys()
    assert all({"address", "messages"} <= channel.keys() for channel in DOCUMENT["channels"].values())
    assert all(server.keys() >= {"host", "protocol"} for server in DOCUMENT["servers"].values())


def test_every_reference_leads_somewhere() -> None:
    found = references(DOCUMENT)

    assert found
    assert all(resolved(reference) for reference in found)


def test_every_operation_speaks_of_its_own_channels_messages() -> None:
    used = []
    for operation in DOCUMENT["operations"].values():
        channel = operation["channel"]["$ref"]
        used.append(channel)
        assert operation["action"] in {"send", "receive"}
        assert {message["$ref"] for message in operation["messages"]} == {
            f"{channel}/messages/{name}" for name in resolved({"$ref": channel})["messages"]
        }

    assert sorted(used) == sorted(f"#/channels/{name}" for name in DOCUMENT["channels"])


def test_the_queues_hold_the_interfaces_tasks_and_no_others() -> None:
    queues = {queue: set(messages_of(queue)) for queue in {queue for queue, _ in TASKS.values()}}

    assert queues == {
        queue: {name for name, (other, _) in TASKS.items() if other == queue} for queue in queues
    }


@pytest.mark.parametrize("task", TASKS)
def test_a_tasks_arguments_are_its_models(task: str) -> None:
    queue, model = TASKS[task]
    form = resolved(messages_of(queue)[task]["payload"])

    Draft7Validator.check_schema(form)
    assert without_titles(form) == without_titles(model.model_json_schema())


def test_the_stream_carries_every_message_in_its_envelope() -> None:
    told = messages_of("outcomes")

    assert DOCUMENT["channels"]["outcomes"]["address"] == "payment_worker.events"
    assert set(told) == set(MESSAGE_TYPES)
    for message_type in MESSAGE_TYPES:
        envelope, inside = map(resolved, told[message_type]["payload"]["allOf"])
        assert "specversion" in envelope["required"]
        assert inside["properties"]["type"] == {"const": message_type}
        assert resolved(inside["properties"]["data"]) == schema(message_type)


def test_the_webhook_is_the_catalogues_channel() -> None:
    channel = DOCUMENT["channels"]["stripeWebhook"]

    assert (channel["title"], channel["address"]) == ("payments.outcomes", "/webhooks/stripe")


def test_the_document_has_the_packages_version() -> None:

    assert DOCUMENT["info"]["version"] == __version__


def test_no_schema_file_is_left_over() -> None:
    files = Path(str(FOLDER / "schemas")).iterdir()

    assert {file.name for file in files} == {f"{message_type}.schema.json" for message_type in MESSAGE_TYPES}
