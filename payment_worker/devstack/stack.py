"""Starts everything that the worker needs: the given PostgreSQL, Redis and Stripe, or our own."""

import secrets
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from payment_worker.devstack import programs
from payment_worker.devstack.demo.example_app import Shop
from payment_worker.devstack.ports import LOOPBACK, Ports
from payment_worker.devstack.processes import Process
from payment_worker.devstack.progress import Screen
from payment_worker.devstack.servers.postgresql import PostgreSQL
from payment_worker.devstack.servers.simulator import Simulator
from payment_worker.devstack.servers.valkey import Valkey
from payment_worker.settings import Settings
from payment_worker.store.connection.migrate import upgrade

_LIVE_KEYS = ("sk_live_", "rk_live_")
_DATABASE = "payments"
# Patience that fits an audience. Production's is in `settings`; the order of these must be the same.
IMPATIENT: Mapping[str, str] = {
    "PAYMENT_WORKER_LEASE": "6",
    "PAYMENT_WORKER_ABSENCE_DELAY": "6",
    "PAYMENT_WORKER_RESUME_EVERY": "1",
    "PAYMENT_WORKER_PUBLISH_EVERY": "1",
    "PAYMENT_WORKER_POLL_EVERY": "60",
    "PAYMENT_WORKER_VISIBILITY_TIMEOUT": "30",
    "PAYMENT_WORKER_LOG_FORMAT": "json",
}


class RefusedError(Exception):
    """The stack does not start with what it was given. The message says why."""


@dataclass(kw_only=True)
class Stack:
    """What runs, and how to reach it. `processes` are by name, each with its log."""

    settings: dict[str, str]
    directory: Path
    shop: Shop
    ports: Ports
    simulator: Simulator | None = None
    processes: dict[str, Process] = field(default_factory=dict)
    flower_login: tuple[str, str] = ("", "")

    @property
    def webhook_url(self) -> str:
        """Where Stripe's webhooks are received."""
        return f"http://{LOOPBACK}:{self.ports.webhook}/webhooks/stripe"

    @property
    def flower_url(self) -> str:
        """Where Flower is."""
        return f"http://{LOOPBACK}:{self.ports.flower}"

    @property
    def console_url(self) -> str:
        """Where the console is, if it runs."""
        return f"http://{LOOPBACK}:{self.ports.console}"

    def replace_worker(self) -> None:
        """Start a worker in the place of one that is gone."""
        self.processes["worker"].start().wait_ready()


@contextmanager
def running(
    screen: Screen, *, ports: Ports, environ: Mapping[str, str], durable: bool = True
) -> Iterator[Stack]:
    """Bring the stack up, step by step on the screen, and take all of it down at the end.

    Args:
        screen: shows the steps.
        ports: where the servers listen.
        environ: its `DATABASE_URL`, `REDIS_URL` and variables of Stripe are used where it has them, and so is every
            `PAYMENT_WORKER_…` in place of our timings.
        durable: whether servers of our own keep what they have when the machine crashes.

    Raises:
        RefusedError: the Stripe key is a live one.
        SettingsError: the given settings are invalid.
    """
    given = Settings.from_environment(environ, needed_by=())
    settings = {**IMPATIENT, **_named(environ, "PAYMENT_WORKER_")}
    with ExitStack() as started:
        directory = Path(tempfile.mkdtemp(prefix="payment-worker-"))
        started.callback(shutil.rmtree, directory, ignore_errors=True)
        settings["DATABASE_URL"] = _database(screen, started, given, ports.postgresql, durable=durable)
        settings["REDIS_URL"] = _redis(screen, started, given, ports.redis, durable=durable)
        stack = Stack(
            settings=settings,
            directory=directory,
            shop=started.enter_context(Shop(settings["REDIS_URL"])),
            ports=ports,
        )
        _stripe(screen, started, given, stack, _named(environ, "STRIPE_"))
        _programs(screen, started, stack)
        yield stack


def _named(environ: Mapping[str, str], prefix: str) -> dict[str, str]:
    return {name: value for name, value in environ.items() if name.startswith(prefix)}


def _database(screen: Screen, started: ExitStack, given: Settings, port: int | None, *, durable: bool) -> str:
    with screen.step("PostgreSQL") as step:
        if given.database_url:
            url, step.detail = given.database_url.get_secret_value(), "yours, from DATABASE_URL"
        else:
            server = started.enter_context(PostgreSQL(port=port, durable=durable))
            url, step.detail = server.create_database(_DATABASE), f"on port {server.port}"
    with screen.step("Migrations"):
        upgrade(url)
    return url


def _redis(screen: Screen, started: ExitStack, given: Settings, port: int | None, *, durable: bool) -> str:
    with screen.step("Redis") as step:
        if given.redis_url:
            step.detail = "yours, from REDIS_URL"
            return given.redis_url.get_secret_value()
        server = started.enter_context(Valkey(port=port, append_only=durable))
        step.detail = f"Valkey on port {server.port}{', append-only' if durable else ''}"
        return server.url()


def _stripe(
    screen: Screen, started: ExitStack, given: Settings, stack: Stack, settings: Mapping[str, str]
) -> None:
    with screen.step("Stripe") as step:
        if settings:
            _check_key(given)
            stack.settings |= settings
            step.detail = f"yours, at {given.stripe_api_base}"
            return
        secret = f"whsec_{secrets.token_hex(16)}"
        arguments = ("--webhook-url", stack.webhook_url, "--webhook-secret", secret)
        stack.simulator = Simulator.start(stack.directory, arguments=arguments, port=stack.ports.stripe)
        started.callback(stack.simulator.stop)
        stack.settings |= {
            "STRIPE_API_BASE": stack.simulator.url,
            "STRIPE_API_KEY": f"sk_test_{secrets.token_hex(12)}",
            "STRIPE_WEBHOOK_SECRET": secret,
        }
        step.detail = f"the simulator, at {stack.simulator.url}"


def _check_key(given: Settings) -> None:
    if given.stripe_api_key is None:
        raise RefusedError("Of Stripe's variables STRIPE_API_KEY is missing.")
    if given.stripe_api_key.get_secret_value().startswith(_LIVE_KEYS):
        raise RefusedError("This charges cards: it takes Stripe's test keys only, and yours is a live one.")


def _programs(screen: Screen, started: ExitStack, stack: Stack) -> None:
    stack.flower_login = ("operator", secrets.token_urlsafe(9))
    watched = {**stack.settings, "FLOWER_BASIC_AUTH": ":".join(stack.flower_login)}
    stack.processes = {
        "worker": programs.worker(stack.settings, directory=stack.directory),
        "beat": programs.beat(stack.settings, directory=stack.directory),
    }
    if stack.ports.flower:
        stack.processes["flower"] = programs.flower(
            watched, directory=stack.directory, port=stack.ports.flower
        )
    if "STRIPE_WEBHOOK_SECRET" in stack.settings:
        stack.processes["webhook"] = programs.webhook(
            stack.settings, directory=stack.directory, port=stack.ports.webhook
        )
    if stack.ports.console:
        stack.processes["console"] = programs.console(
            _console_settings(stack), directory=stack.directory, port=stack.ports.console
        )
    # Together: each of them spends its first two seconds importing.
    for process in stack.processes.values():
        started.enter_context(process.start())
    details = {
        "worker": "two processes, all queues",
        "beat": "sweeps for what is due or orphaned",
        "flower": f"{stack.flower_url}, read-only",
        "webhook": stack.webhook_url,
        "console": stack.console_url,
    }
    for name, process in stack.processes.items():
        with screen.step(name.capitalize()) as step:
            process.wait_ready()
            step.detail = details[name]


def _console_settings(stack: Stack) -> dict[str, str]:
    """As Flower, it lets the one user in; here, they may act."""
    return {
        **stack.settings,
        "PAYMENT_WORKER_CONSOLE_AUTH": ":".join(stack.flower_login),
        "PAYMENT_WORKER_CONSOLE_OPERATORS": stack.flower_login[0],
        "PAYMENT_WORKER_CONSOLE_FLOWER_URL": stack.flower_url,
    }
