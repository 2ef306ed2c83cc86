"""compose.yaml gives every process the rights and the time that it needs, and no more."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from payment_worker.devstack.ports import DEFAULT_BASE
from payment_worker.http_server import SHUTDOWN_SECONDS
from payment_worker.settings import Settings

ROOT = Path(__file__).parents[3]
SERVICES: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))["services"]
OURS = [name for name, service in SERVICES.items() if "payment-worker:" in service["image"]]
WARM_SHUTDOWN_SECONDS = 35


def _grace_seconds(service: str) -> int:
    return int(SERVICES[service]["stop_grace_period"].removesuffix("s"))


def test_a_worker_may_end_its_longest_task_and_the_webhook_its_answers() -> None:
    lease = Settings.model_fields["lease"].default
    assert _grace_seconds("worker") >= lease + WARM_SHUTDOWN_SECONDS
    assert _grace_seconds("webhook") > SHUTDOWN_SECONDS


@pytest.mark.parametrize("service", SERVICES)
def test_every_service_is_hardened_limited_and_started_again(service: str) -> None:
    told = SERVICES[service]
    assert told["read_only"]
    assert told["cap_drop"] == ["ALL"]
    assert told["security_opt"] == ["no-new-privileges:true"]
    assert set(told["deploy"]["resources"]["limits"]) == {"cpus", "memory"}
    assert told["restart"] == ("no" if service == "migrate" else "unless-stopped")


@pytest.mark.parametrize("service", OURS)
def test_our_services_get_secrets_by_file_and_no_unknown_setting(service: str) -> None:
    variables = SERVICES[service].get("environment", {})
    known = {str(field.alias) for field in Settings.model_fields.values()}
    ours = {name for name in variables if name.startswith("PAYMENT_WORKER_")}
    assert {name.removesuffix("_FILE") for name in ours - known} <= known
    endings = ("_KEY", "_SECRET", "_SECRETS", "_AUTH")
    secret = {name for name in variables if name.removesuffix("_FILE").endswith(endings)}
    assert all(name.endswith("_FILE") for name in secret)


def test_each_process_holds_the_secrets_that_it_needs_and_no_other() -> None:
    held = {name: set(SERVICES[name].get("secrets", ())) for name in OURS}
    assert held == {
        "migrate": {"database_url"},
        "worker": {
            "database_url",
            "redis_url",
            "stripe_api_key",
            "stripe_webhook_secret",
            "metadata_secrets",
        },
        "beat": {"database_url", "redis_url"},
        "webhook": {"receiver_database_url", "redis_url", "stripe_webhook_secret"},
        "flower": {"redis_url", "flower_basic_auth"},
        "console": {"database_url", "redis_url", "console_auth"},
        "simulator": {"stripe_webhook_secret"},
    }
    for name, secrets in held.items():
        read = {str(value) for value in SERVICES[name].get("environment", {}).values()}
        assert {path for path in read if path.startswith("/run/secrets/")} <= {
            f"/run/secrets/{secret}" for secret in secrets
        }


def test_only_the_worker_of_the_procfile_sees_the_key_of_stripes() -> None:
    lines = (ROOT / "Procfile").read_text(encoding="utf-8").splitlines()
    processes = dict(line.split(": ", 1) for line in lines if not line.startswith("#"))
    assert len(processes) == 5
    without = {name for name, command in processes.items() if "-u STRIPE_API_KEY " in command}
    assert without == processes.keys() - {"worker"}


@pytest.mark.parametrize("service", OURS)
def test_any_setting_may_be_given_in_a_file_that_need_not_be_there(service: str) -> None:
    assert SERVICES[service]["env_file"] == [{"path": "settings.env", "required": False}]


def test_every_service_but_the_one_off_has_a_health_check() -> None:
    without = {name for name, service in SERVICES.items() if "healthcheck" not in service}
    assert without == {"migrate"}


def test_the_image_is_built_once_and_never_pulled() -> None:
    assert [name for name in OURS if "build" in SERVICES[name]] == ["migrate"]
    assert {SERVICES[name]["pull_policy"] for name in OURS if name != "migrate"} == {"never"}


def test_every_published_port_is_a_variable_and_none_is_of_make_dev() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert set(published) == {"webhook", "flower", "console", "simulator", "prometheus"}
    for name, (port,) in published.items():
        default = re.fullmatch(rf"\$\{{{name.upper()}_PUBLISHED:-127\.0\.0\.1:(\d+)\}}:\d+", port)
        assert default, port
        assert int(default[1]) not in range(DEFAULT_BASE, DEFAULT_BASE + 6)


def test_no_image_of_others_changes_by_itself() -> None:
    images = {name: service["image"] for name, service in SERVICES.items() if name not in OURS}
    assert set(images) == {"postgres", "redis", "prometheus"}
    assert all(re.search(r":v?\d+(\.\d+)*\}?$", image) for image in images.values()), images


def test_prometheus_scrapes_each_container_of_a_service() -> None:
    text = (ROOT / "deploy" / "prometheus" / "prometheus.yml").read_text(encoding="utf-8")
    asked = {}
    for job in yaml.safe_load(text)["scrape_configs"]:
        (found,) = job["dns_sd_configs"]
        (service,) = found["names"]
        assert found["type"] == "A"
        asked[service] = found["port"]
    metrics = {
        name: SERVICES[name]["environment"]["PAYMENT_WORKER_METRICS_PORT"] for name in ("worker", "beat")
    }
    assert asked == {**metrics, "webhook": 8000}
    assert "--port=8000" in SERVICES["webhook"]["command"]
