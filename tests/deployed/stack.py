"""The stack of compose.yaml, run as `docs/how-to/deploy-compose.md` says, with doors that the tests can reach."""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from payment_worker.devstack.ports import LOOPBACK, free_port
from payment_worker.devstack.waiting import wait_until

ROOT = Path(__file__).parents[2]
PROJECT = "payment-worker-test"
_START_SECONDS = 180

# So that a test need not wait for minutes until what a dead worker held is taken up.
_IMPATIENT: Mapping[str, str] = {
    "PAYMENT_WORKER_STRIPE_TIMEOUT": "2.5",
    "PAYMENT_WORKER_LEASE": "5",
    "PAYMENT_WORKER_ABSENCE_DELAY": "5",
    "PAYMENT_WORKER_VISIBILITY_TIMEOUT": "10",
    "PAYMENT_WORKER_RESUME_EVERY": "2",
}


class Stack:
    """A running stack under a project name of its own, in a directory of its own."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._ports = {"postgres": free_port(), "redis": free_port(), "simulator": free_port()}
        shutil.copy(ROOT / "compose.yaml", directory)
        shutil.copytree(ROOT / "deploy", directory / "deploy")
        (directory / "compose.override.yaml").write_text(json.dumps(self._changes()))

    def _changes(self) -> dict[str, Any]:
        ours = {name: {"environment": dict(_IMPATIENT)} for name in ("worker", "beat", "webhook")}
        doors = {
            name: {"networks": ["inside", "outside"], "ports": [f"{LOOPBACK}:{self._ports[name]}:{inside}"]}
            for name, inside in {"postgres": 5432, "redis": 6379}.items()
        }
        return {"services": {**ours, **doors}}

    def start(self) -> Self:
        """Write the secrets, and start everything; return when every service is healthy."""
        self._run("deploy/secrets.sh", "simulator")
        self.compose("up", "--detach", "--wait", "--no-build", seconds=_START_SECONDS)
        return self

    def stop(self) -> None:
        """End everything, and forget its volumes."""
        self.compose("down", "--volumes", "--timeout", "5", seconds=_START_SECONDS)

    @property
    def database_url(self) -> str:
        return self._outside("database_url", "@postgres/", f"@{LOOPBACK}:{self._ports['postgres']}/")

    @property
    def redis_url(self) -> str:
        return self._outside("redis_url", "@redis:6379/", f"@{LOOPBACK}:{self._ports['redis']}/")

    @property
    def simulator_url(self) -> str:
        return f"http://{LOOPBACK}:{self._ports['simulator']}"

    def _outside(self, secret: str, inside: str, outside: str) -> str:
        return (self._directory / "secrets" / secret).read_text().strip().replace(inside, outside)

    def kill(self, service: str) -> None:
        """SIGKILL all that runs in its container, as when memory ran out: `docker kill` would also keep it down."""
        user = ["--user=postgres"] if service == "postgres" else []
        before = self._started_at(service)
        # The shell dies with them.
        self.compose("exec", "-T", *user, service, "sh", "-c", "kill -9 -1", check=False)
        wait_until(lambda: self._started_at(service) != before, seconds=60, what=f"{service} to be killed")

    def wait_until_healthy(self, service: str) -> None:
        wait_until(
            lambda: self._state(service).get("Health", {}).get("Status") == "healthy",
            seconds=_START_SECONDS,
            every_seconds=0.5,
            what=f"{service} to be healthy again",
        )

    def _started_at(self, service: str) -> object:
        state = self._state(service)
        return state["StartedAt"] if state["Running"] else None

    def _state(self, service: str) -> dict[str, Any]:
        container = self.compose("ps", "--all", "--quiet", service).strip()
        found: list[dict[str, Any]] = json.loads(self._run("docker", "inspect", container))
        state: dict[str, Any] = found[0]["State"]
        return state

    def compose(self, *arguments: str, check: bool = True, seconds: float = 60) -> str:
        """What `docker compose` says to this."""
        command = ("docker", "compose", "--project-name", PROJECT, *arguments)
        return self._run(*command, check=check, seconds=seconds)

    def _run(self, *command: str, check: bool = True, seconds: float = 60) -> str:
        environ = {
            **os.environ,
            "PAYMENT_WORKER_IMAGE": "payment-worker:test",
            "SIMULATOR_PUBLISHED": f"{LOOPBACK}:{self._ports['simulator']}",
            "WEBHOOK_PUBLISHED": LOOPBACK + ":0",
            "FLOWER_PUBLISHED": LOOPBACK + ":0",
        }
        done = subprocess.run(
            command,
            cwd=self._directory,
            env=environ,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        if check and done.returncode:
            raise AssertionError(f"{' '.join(command)}: {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout
