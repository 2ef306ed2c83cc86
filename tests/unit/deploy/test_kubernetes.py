"""The manifests are what Kubernetes takes and what our programs need, and give nobody more rights than that."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from jsonschema import Draft7Validator

from payment_worker.http_server import SHUTDOWN_SECONDS
from payment_worker.monitoring import gauges
from payment_worker.settings import Settings

ROOT = Path(__file__).parents[3]
MANIFESTS = ROOT / "deploy" / "kubernetes"
SCHEMAS: Final = json.loads(Path(__file__).with_name("kubernetes-1.33.json").read_text(encoding="utf-8"))
ADAPTER = MANIFESTS / "examples" / "prometheus-adapter.yaml"
Object = Mapping[str, Any]

WARM_SHUTDOWN_SECONDS: Final = 35
"""On top of the longest task: what a warm shutdown under load was seen to take, and a little more."""


def _objects(*files: Path) -> list[Object]:
    return [each for file in files for each in yaml.safe_load_all(file.read_text(encoding="utf-8"))]


APPLIED = _objects(*sorted(MANIFESTS.glob("*.yaml")))
SHOWN = _objects(*(file for file in sorted(MANIFESTS.glob("examples/*.yaml")) if file != ADAPTER))


def _named(thing: Object) -> str:
    return f"{thing['kind']} {thing['metadata']['name']}"


ALL = pytest.mark.parametrize("thing", [*APPLIED, *SHOWN], ids=_named)
_RUNNING = [each for each in APPLIED if each["kind"] in {"Deployment", "Job"}]
SERVING = pytest.mark.parametrize("thing", [x for x in _RUNNING if x["kind"] == "Deployment"], ids=_named)
RUNNING = pytest.mark.parametrize("thing", _RUNNING, ids=_named)
SCALED = [each for each in APPLIED if each["kind"] == "HorizontalPodAutoscaler"]
SECRET: Object = next(each for each in SHOWN if each["kind"] == "Secret")
SETTINGS: Object = next(each for each in APPLIED if each["kind"] == "ConfigMap")


def _pod(thing: Object) -> Object:
    pod: Object = thing["spec"]["template"]["spec"]
    return pod


def _container(thing: Object) -> Object:
    (container,) = _pod(thing)["containers"]
    return dict(container)


def _variables(thing: Object) -> dict[str, str]:
    """The environment that the container finds."""
    assert _container(thing)["envFrom"] == [{"configMapRef": {"name": SETTINGS["metadata"]["name"]}}]
    return {**SETTINGS["data"], **{each["name"]: each["value"] for each in _container(thing)["env"]}}


def _programs() -> dict[str, Sequence[str]]:
    services = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))["services"]
    return {name: service["command"] for name, service in services.items() if "command" in service}


def test_every_program_of_compose_is_there() -> None:
    assert [_named(each) for each in _RUNNING] == [
        "Job migrate",
        "Deployment worker-money",
        "Deployment worker-news",
        "Deployment beat",
        "Deployment webhook",
        "Deployment flower",
        "Deployment console",
    ]


@ALL
def test_kubernetes_knows_every_field(thing: Object) -> None:
    kind = SCHEMAS["kinds"][thing["kind"]]
    schema = {"$ref": f"#/$defs/{kind}", "$defs": SCHEMAS["$defs"]}
    faults = [f"{error.json_path}: {error.message}" for error in Draft7Validator(schema).iter_errors(thing)]
    assert faults == []


@ALL
def test_everything_is_in_the_namespace_that_is_made_first(thing: Object) -> None:
    name = APPLIED[0]["metadata"]["name"]
    assert thing["metadata"].get("namespace", name) == name
    assert thing["kind"] == "Namespace" or "namespace" in thing["metadata"]


def test_no_placeholder_can_take_the_place_of_a_secret() -> None:
    """`kubectl apply -f deploy/kubernetes` leaves the directory of examples out."""
    assert "Secret" not in {each["kind"] for each in APPLIED}


@RUNNING
def test_nothing_runs_as_root_or_writes_into_its_image(thing: Object) -> None:
    pod, container = _pod(thing), _container(thing)
    assert pod["securityContext"]["runAsNonRoot"] is True
    user = re.search(r"^USER (\d+):(\d+)$", (ROOT / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE)
    assert user is not None
    assert pod["securityContext"]["runAsUser"] == int(user[1])
    assert pod["securityContext"]["fsGroup"] == int(user[2])
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert set(container["resources"]["limits"]) == {"cpu", "memory"}
    assert pod["automountServiceAccountToken"] is False


@RUNNING
def test_no_service_becomes_a_variable_that_the_settings_would_refuse(thing: Object) -> None:
    assert _pod(thing)["enableServiceLinks"] is False


@RUNNING
def test_its_variables_are_settings(thing: Object) -> None:
    known = {str(field.alias) for field in Settings.model_fields.values()}
    flower = set(
        re.findall(
            r"\"(FLOWER_\w+)\"", (ROOT / "payment_worker" / "flowerconfig.py").read_text(encoding="utf-8")
        )
    )
    for name in _variables(thing):
        assert {name, name.removesuffix("_FILE")} & (known | flower), name
    ours = {name: value for name, value in _variables(thing).items() if not name.endswith("_FILE")}
    Settings.from_environment(ours, needed_by=())


@RUNNING
def test_each_of_its_secrets_is_a_file_that_is_there(thing: Object) -> None:
    files = {name: value for name, value in _variables(thing).items() if name.endswith("_FILE")}
    files.pop("PAYMENT_WORKER_LIVENESS_FILE", None)
    (secrets,) = [each["secret"] for each in _pod(thing)["volumes"] if each["name"] == "secrets"]
    assert secrets["secretName"] == SECRET["metadata"]["name"]
    assert {f"/secrets/{item['path']}" for item in secrets["items"]} == set(files.values())
    assert {item["key"] for item in secrets["items"]} <= set(SECRET["stringData"])
    # Nothing but its owner and group may read them.
    assert secrets["defaultMode"] == 0o440


@RUNNING
def test_it_writes_only_where_something_is_mounted(thing: Object) -> None:
    mounted = {each["mountPath"]: each for each in _container(thing)["volumeMounts"]}
    assert {each["name"] for each in mounted.values()} == {each["name"] for each in _pod(thing)["volumes"]}
    assert "/tmp" in mounted  # noqa: S108 the container's own
    told_to = " ".join([*_container(thing)["args"], *_variables(thing).values()])
    assert set(re.findall(r"(/data|/secrets|/tmp)/", told_to)) <= set(mounted)


@SERVING
def test_it_is_watched_by_what_it_offers(thing: Object) -> None:
    container = _container(thing)
    offered = {"webhook": {"/healthz", "/readyz"}, "beat": {"/metrics"}, "flower": {"/healthcheck"}}
    offered["console"] = {"/healthz"}
    for kind in ("startupProbe", "readinessProbe", "livenessProbe"):
        probe = container[kind]
        if "httpGet" in probe:
            assert probe["httpGet"]["path"] in offered[container["name"]]
            assert probe["httpGet"]["port"] in {port["name"] for port in container["ports"]}
        else:
            assert _variables(thing)["PAYMENT_WORKER_LIVENESS_FILE"] in probe["exec"]["command"][-1]


@SERVING
def test_its_command_and_port_are_those_of_compose(thing: Object) -> None:
    container = _container(thing)
    program = [word for word in _programs()[container["name"]] if not word.startswith("--")]
    assert [word for word in container["args"] if not word.startswith("--")] == program
    (port,) = [each["containerPort"] for each in container["ports"]]
    said = {*container["args"], _variables(thing).get("PAYMENT_WORKER_METRICS_PORT")}
    assert said & {f"--port={port}", str(port)}
    if container["name"] in {"webhook", "flower", "console"}:
        assert f"--port={port}" in _programs()[container["name"]]


def _queues(thing: Object) -> set[str]:
    (flag,) = [word for word in _container(thing)["args"] if word.startswith("--queues=")]
    return set(flag.removeprefix("--queues=").split(","))


def test_every_queue_has_one_kind_of_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1")
    from payment_worker.celeryconfig import task_queues  # noqa: PLC0415 - it reads the environment

    taken = [queue for each in _RUNNING if _container(each)["name"] == "worker" for queue in _queues(each)]
    assert sorted(taken) == sorted(queue.name for queue in task_queues)


@SERVING
def test_it_is_given_the_time_to_end_what_it_does(thing: Object) -> None:
    lease = Settings.model_fields["lease"].default
    needed = {"worker": lease + WARM_SHUTDOWN_SECONDS, "webhook": 5 + SHUTDOWN_SECONDS}
    assert _pod(thing)["terminationGracePeriodSeconds"] >= needed.get(_container(thing)["name"], 5)


@pytest.mark.parametrize("thing", SCALED, ids=_named)
def test_it_is_scaled_by_a_metric_of_ours(thing: Object) -> None:
    (metric,) = [each["external"]["metric"] for each in thing["spec"]["metrics"]]
    assert metric["name"] == gauges.QUEUE.name
    (chosen,) = metric["selector"]["matchExpressions"]
    assert (chosen["key"],) == gauges.QUEUE.labels
    (scaled,) = [x for x in _RUNNING if x["metadata"]["name"] == thing["spec"]["scaleTargetRef"]["name"]]
    assert set(chosen["values"]) == _queues(scaled)
    assert "replicas" not in scaled["spec"]
    (rule,) = yaml.safe_load(ADAPTER.read_text(encoding="utf-8"))["rules"]["external"]
    assert rule["seriesQuery"] == rule["name"]["as"] == gauges.QUEUE.name
    assert rule["metricsQuery"].endswith(f"by ({gauges.QUEUE.labels[0]})")


def test_all_that_names_a_pod_names_one_that_is_there() -> None:
    labels = {_named(each): each["spec"]["template"]["metadata"]["labels"] for each in _RUNNING}
    selectors = list(_selectors())
    assert len(selectors) == 12
    for name, selector in selectors:
        assert any(selector.items() <= each.items() for each in labels.values()), name
    assert len({_container(each)["image"] for each in _RUNNING}) == 1


def _selectors() -> Iterator[tuple[str, Mapping[str, str]]]:
    for each in APPLIED:
        selector = each.get("spec", {}).get("selector")
        if selector:
            yield _named(each), selector.get("matchLabels", selector)


def test_what_is_exposed_is_the_webhooks_path_alone() -> None:
    from payment_worker.webhook.application import PATH  # noqa: PLC0415 - for this one word

    assert {each["spec"].get("type", "ClusterIP") for each in APPLIED if each["kind"] == "Service"} == {
        "ClusterIP"
    }
    (ingress,) = [each for each in SHOWN if each["kind"] == "Ingress"]
    ((path,),) = [rule["http"]["paths"] for rule in ingress["spec"]["rules"]]
    assert (path["path"], path["pathType"]) == (PATH, "Exact")
    assert path["backend"]["service"]["name"] == "webhook"


def test_only_workers_hold_the_key_of_stripes() -> None:
    holders = {
        thing["metadata"]["name"]
        for thing in _RUNNING
        for volume in _pod(thing)["volumes"]
        for item in volume.get("secret", {}).get("items", ())
        if item["key"] == "stripe_api_key"
    }
    assert holders == {"worker-money", "worker-news"}
