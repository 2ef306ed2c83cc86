"""Alerts and dashboard ask for what is really told, each alert has its section in the runbook, and promtool agrees."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import yaml

from tests.harness.rows import Rows
from tests.harness.tools import tool
from tests.monitoring.scraping import Scrape

ROOT = Path(__file__).parents[2]
PROMETHEUS = ROOT / "deploy/prometheus"
RUNBOOK = "docs/how-to/runbook.md"

_METRIC = re.compile(r"payment_worker_[a-z_]+")
_MATCHED = re.compile(r"(payment_worker_[a-z_]+)\{([^}]*)\}")
_EQUAL = re.compile(r'([a-z_]+)="([^"]*)"')


def _alerts() -> list[dict[str, Any]]:
    groups = yaml.safe_load((PROMETHEUS / "alerts.yml").read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def _queries() -> list[str]:
    dashboard = json.loads((ROOT / "deploy/grafana/dashboard.json").read_text(encoding="utf-8"))
    return [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", ())]


def _headings() -> list[str]:
    return re.findall(r"^## (\w+)$", (ROOT / RUNBOOK).read_text(encoding="utf-8"), re.MULTILINE)


def _promtool(*arguments: str, told: str = "") -> None:
    promtool = tool("promtool", comes_with="Debian's package prometheus")
    done = subprocess.run(
        [promtool, *arguments], cwd=PROMETHEUS, input=told, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_has_its_section_in_the_runbook_and_each_section_its_alert() -> None:
    names = [alert["alert"] for alert in _alerts()]
    assert len(names) > 20
    assert sorted(names) == sorted(_headings())
    for alert in _alerts():
        assert alert["annotations"]["runbook_url"] == f"{RUNBOOK}#{alert['alert'].lower()}"


def test_each_alert_says_whom_it_is_for_and_waits_before_it_does() -> None:
    for alert in _alerts():
        assert alert["labels"]["severity"] in {"page", "ticket"}, alert
        assert alert["for"], alert
        assert alert["annotations"]["summary"].endswith("."), alert


def test_each_alert_has_a_test() -> None:
    tests = yaml.safe_load((PROMETHEUS / "alerts_test.yml").read_text(encoding="utf-8"))["tests"]
    cases = [case for test in tests for case in test["alert_rule_test"]]
    firing = {case["alertname"] for case in cases if case["exp_alerts"]}
    assert firing == {alert["alert"] for alert in _alerts()}


def test_whatever_alerts_and_dashboard_query_is_exported(installation: dict[str, Scrape]) -> None:
    told = {name for each in installation.values() for name in each.names() | each.families()}
    asked = {
        name
        for query in [alert["expr"] for alert in _alerts()] + _queries()
        for name in _METRIC.findall(query)
    }
    assert len(asked) > 30
    assert asked <= told, asked - told


def test_whatever_label_they_ask_for_there_is(installation: dict[str, Scrape]) -> None:
    told = [sample for each in installation.values() for sample in each.samples()]
    for query in [alert["expr"] for alert in _alerts()] + _queries():
        for name, matchers in _MATCHED.findall(query):
            wanted = dict(_EQUAL.findall(re.sub(r'[a-z_]+(!=|=~|!~)"[^"]*"', "", matchers)))
            found = [labels for each, labels, _ in told if each == name and wanted.items() <= labels.items()]
            assert found, (name, wanted)


def test_each_queue_has_its_depth_consumers_and_finished_tasks(
    installation: dict[str, Scrape],
) -> None:
    told = [sample for each in installation.values() for sample in each.samples()]
    queues = {
        name: {labels["queue"] for each, labels, _ in told if each == f"payment_worker_queue_{name}"}
        for name in ("messages", "consumers", "tasks_total")
    }
    assert len(queues["messages"]) == 4
    assert queues["consumers"] == queues["tasks_total"] - {"other"} == queues["messages"]
    assert min(value for name, _, value in told if name == "payment_worker_queue_consumers") == 1


def test_no_metric_names_a_customer_or_a_payment(installation: dict[str, Scrape]) -> None:
    for each in installation.values():
        assert not re.search(r"[0-9a-f]{8}-[0-9a-f]{4}-|\b(pi|ch|cus|pm)_|sk_test|whsec", each.text)


def test_every_query_of_the_runbook_can_be_run(rows: Rows) -> None:
    queries = re.findall(r"```sql\n(.*?)```", (ROOT / RUNBOOK).read_text(encoding="utf-8"), re.DOTALL)
    assert len(queries) > 5
    for query in queries:
        assert rows(query.replace("%", "%%")) is not None


def test_promtool_finds_no_fault_in_the_rules_and_the_configuration() -> None:
    _promtool("check", "rules", "alerts.yml")
    _promtool("check", "config", "prometheus.yml")


def test_promtool_finds_no_fault_in_the_queries_of_the_dashboard(tmp_path: Path) -> None:
    queries = [query.replace("$__rate_interval", "5m") for query in _queries()]
    rules = [{"record": f"panel:{number}", "expr": query} for number, query in enumerate(queries)]
    written = tmp_path / "dashboard.yml"
    written.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}), encoding="utf-8")
    _promtool("check", "rules", str(written))


def test_promtool_sees_each_alert_fire_when_it_should_and_only_then() -> None:
    _promtool("test", "rules", "alerts_test.yml")


def test_promtool_finds_no_fault_in_the_metrics(installation: dict[str, Scrape]) -> None:
    for each in installation.values():
        _promtool("check", "metrics", told=each.text)
