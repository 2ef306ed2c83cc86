"""compose.yaml gives every process the rights and the time that it needs, and no more."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from payment_worker.settings import Settings
from payment_worker.webhook.server import LAST_WORDS_SECONDS

ROOT = Path(__file__).parents[3]
SERVICES: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))["services"]
OURS = [name for name, service in SERVICES.items() if "payment-worker:" in service["image"]]
WARM_SHUTDOWN_SECONDS = 35


def _grace_seconds(service: str) -> int:
    return int(SERVICES[service]["stop_grace_period"].removesuffix("s"))


def test_a_worker_may_end_its_longest_task_and_the_webhook_its_answers() -> None:
    lease = Settings.model_fields["lease"].default
    assert _grace_seconds("worker") >= lease + WARM_SHUTDOWN_SECONDS
    assert _grace_seconds("webhook") > LAST_WORDS_SECONDS


@pytest.mark.parametrize("service", SERVICES)
def test_every_service_is_hardened_limited_and_started_again(service: str) -> None:
    told = SERVICES[service]
    assert told["read_only"]
    assert told["cap_drop"] == ["ALL"]
    assert told["security_opt"] == ["no-new-privileges:true"]
    assert set(told["deploy"]["resources"]["limits"]) == {"cpus", "memory"}
    assert told["restart"] == ("no" if service == "migrate" else "unless-stopped")


@pytest.mark.parametrize("service", OURS)
def test_ours_are_told_of_secrets_by_file_and_of_nothing_unknown(service: str) -> None:
    variables = SERVICES[service].get("environment", {})
    known = {str(field.alias) for field in Settings.model_fields.values()}
    ours = {name for name in variables if name.startswith("PAYMENT_WORKER_")}
    assert {name.removesuffix("_FILE") for name in ours - known} <= known
    endings = ("_KEY", "_SECRET", "_SECRETS", "_AUTH")
    secret = {name for name in variables if name.removesuffix("_FILE").endswith(endings)}
    assert all(name.endswith("_FILE") for name in secret)


@pytest.mark.parametrize("service", OURS)
def test_any_setting_may_be_given_in_a_file_that_need_not_be_there(service: str) -> None:
    assert SERVICES[service]["env_file"] == [{"path": "settings.env", "required": False}]


def test_every_service_but_the_one_off_tells_whether_it_is_well() -> None:
    without = {name for name, service in SERVICES.items() if "healthcheck" not in service}
    assert without == {"migrate"}


def test_no_image_of_others_changes_by_itself() -> None:
    images = {name: service["image"] for name, service in SERVICES.items() if name not in OURS}
    assert set(images) == {"postgres", "redis", "prometheus"}
    assert all(re.search(r":v?\d+(\.\d+)*\}?$", image) for image in images.values()), images


def test_prometheus_asks_each_container_of_a_service_for_what_it_tells() -> None:
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
