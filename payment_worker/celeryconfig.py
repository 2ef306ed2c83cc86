"""The Celery configuration: every value with its reason.

What differs between installations comes from the environment (`payment_worker.settings`); the rest is decided here.
Behaviour was seen with celery 5.7.0, kombu 5.7.0 and Valkey 9.1; `tests/broker` shows it.
"""

from kombu.entity import Exchange as _Exchange
from kombu.entity import Queue as _Queue

from payment_worker.broker.address import broker_address as _broker_address
from payment_worker.settings import Settings as _Settings
from payment_worker.telemetry.task_names import TASKS_BY_QUEUE as _TASKS_BY_QUEUE

# Processes that need Stripe's key read it themselves: the webhook receiver and beat load this module, too.
_settings = _Settings.from_environment(needed_by=("broker",), without=("stripe",))
_redis_url = _settings.redis_url.get_secret_value() if _settings.redis_url else ""

# ── Redis transport ──────────────────────────────────────────────────────────────────────────────────────────────
broker_url, _address_options = _broker_address(_redis_url)

# `rediss://` takes its TLS from the URL, to which the settings add `ssl_cert_reqs=CERT_REQUIRED`; redis-py
# then checks the host's name too. `broker_use_ssl` stays unset: True would send no TLS at all, and a table would take
# the place of what the URL says.

broker_transport_options = {
    **_address_options,
    # After this an unacknowledged message is redelivered to another worker, even if its owner is alive: Redis has no
    # renewal. So by default it is more than the longest task, and always twice the farthest `eta`, which the
    # consumer checks. The settings reject one so short that messages waiting for such a task would be rejected.
    "visibility_timeout": _settings.visibility_timeout,
    # How soon the above is noticed: with the defaults, 100 s late.
    "unacked_restore_interval": min(5.0, _settings.visibility_timeout / 3),
    "unacked_restore_throttle": 1,
    # The lock on it outlives a worker that was killed while holding it; by default for 5 minutes.
    "unacked_mutex_expire": 10,
    # Without these a half-open connection (fail-over, NAT) hangs a worker, and whoever enqueues, for ever.
    "socket_timeout": 10,
    "socket_connect_timeout": 5,
    "socket_keepalive": True,
    "health_check_interval": 5,
}
broker_connection_timeout = 5
# Redis may start later than the worker, or be down for long: by default the worker gives up after 100 tries.
broker_connection_retry_on_startup = True
broker_connection_max_retries = None
# A Redis that is full or a replica responds with an error, which by default ends the worker.
broker_channel_error_retry = True

# ── Queues ───────────────────────────────────────────────────────────────────────────────────────────────────────
# Queues instead of priorities: their lengths can be seen, and each can have workers of its own (`-Q`).
# A worker without `-Q` consumes all of them, in turns, so that none starves another.
_names = ("charges", "refunds", "events", "maintenance")
task_queues = [
    _Queue(name, _Exchange(name, type="direct"), routing_key=name)  # type: ignore[no-untyped-call] # kombu has no types
    for name in _names
]
# A misspelt name fails where it is written, instead of creating a queue that no worker consumes.
task_create_missing_queues = False
# Tasks without a route are not about money.
task_default_queue = task_default_routing_key = "maintenance"

# Which task is taken from which queue: so an ACL in Redis can confine an app to one, and a charge that is sent to
# refunds is rejected. The first queue is the one to send to.
task_taken_from: dict[str, tuple[str, ...]] = {
    f"payment_worker.{task}": (queue,) for queue, tasks in _TASKS_BY_QUEUE.items() for task in tasks
}
# The sweep sends it to the queue of the work that it continues.
task_taken_from["payment_worker.execute_attempt"] += ("refunds",)
task_routes = {task: {"queue": queues[0]} for task, queues in task_taken_from.items()}

# ── Messages ─────────────────────────────────────────────────────────────────────────────────────────────────────
# JSON only: unpickling a message executes it.
accept_content = result_accept_content = ["json"]
task_serializer = result_serializer = event_serializer = "json"
timezone = "UTC"
# The sweep repeats every enqueued hint; enqueueing may not delay a task while Redis is unreachable.
task_publish_retry_policy = {
    "max_retries": 2,
    "interval_start": 0.1,
    "interval_step": 0.2,
    "interval_max": 0.5,
}

# ── Acknowledgement ──────────────────────────────────────────────────────────────────────────────────────────────
# Acknowledged when the task has ended, so that a worker's death loses nothing. Every task may run twice.
task_acks_late = True
# One message per slot: other workers cannot take a message that is prefetched.
worker_prefetch_multiplier = 1
# A task whose process was killed is run again after a pause, as often as `max_retries` says. Only put back, it would
# be run again at once, and have used up its redeliveries before a machine that is short of memory has recovered.
# The message is put back where that cannot be enqueued.
task_retry_on_worker_lost = True
task_reject_on_worker_lost = True
# A task that failed as expected is done. One that raised unexpectedly is not: see `payment_worker.broker.request`.
task_acks_on_failure = True
# A task that exceeds the hard limit has left an unknown state. Its message is redelivered, and counted.
task_acks_on_timeout = False
# With a result backend, True would silently lose what runs when Redis goes away. Celery 6 will have True.
worker_cancel_long_running_tasks_on_connection_loss = False

# ── Time limits ──────────────────────────────────────────────────────────────────────────────────────────────────
# A task works under a lease. The hard limit is the lease's end, when others take its work over: by then its process
# is gone. The soft one lies half-way between it and the longest call to Stripe, so that a call that was begun in
# time can end, and time is left to record its outcome. (A thread pool has no limits.)
task_time_limit = _settings.lease
task_soft_time_limit = (_settings.stripe_timeout + _settings.lease) / 2

# Keeps Celery's own retries far below the visibility timeout. A task that needs longer ones requests them.
_retry_seconds = min(10.0, _settings.visibility_timeout / 10)
# These process many rows in pages, and have until their message would be redelivered to another worker.
_long = {
    "soft_time_limit": max(0.8 * _settings.visibility_timeout, task_soft_time_limit),
    "time_limit": max(0.9 * _settings.visibility_timeout, task_time_limit),
}
_unseen = ("resume_stalled", "publish_events", "poll_stripe_events", "process_events")
task_annotations = {
    "*": {"max_retries": 5, "default_retry_delay": _retry_seconds},
    "payment_worker.reconcile": _long,
    "payment_worker.import_balance": _long,
    "payment_worker.prune": _long,
    # Beat sends the first three 27,000 times a day, and each webhook may send the last; none of them names a payment.
    # In Flower they would push out what moves money. Metrics and logs have them.
    **{f"payment_worker.{name}": {"send_events": False} for name in _unseen},
}

# ── Results ──────────────────────────────────────────────────────────────────────────────────────────────────────
# None by default: apps read the tables or the stream, and results that are not stored cannot leak.
result_backend = _settings.result_backend.get_secret_value() if _settings.result_backend else None
task_ignore_result = result_backend is None
result_expires = 86_400
redis_socket_timeout, redis_socket_connect_timeout, redis_socket_keepalive = 10.0, 5.0, True

# ── Worker processes ─────────────────────────────────────────────────────────────────────────────────────────────
worker_consumer = "payment_worker.broker.consumer:Consumer"
# Stores requests that cannot be run.
keep_rejected = "payment_worker.bootstrap:keep_rejected"
# Records which queues a worker consumes.
record_consumed = "payment_worker.bootstrap:record_consumed"
# Prefork by default (`-P threads` for volume).
worker_pool = "payment_worker.broker.pool:TaskPool"
# A child is replaced now and then: libraries leak memory.
worker_max_tasks_per_child = 10_000
worker_max_memory_per_child = 400_000  # KiB; a normal child has 100,000
# On a busy machine a child is slow to start; by default it is killed after 4 s, again and again.
worker_proc_alive_timeout = 60.0
# We configure logging ourselves: JSON lines, no sensitive data.
worker_hijack_root_logger = False
worker_redirect_stdouts = False
# The file for the liveness probe.
liveness_file = str(_settings.liveness_file) if _settings.liveness_file else None

# ── Monitoring ───────────────────────────────────────────────────────────────────────────────────────────────────
# For Flower. Arguments in them are redacted, and without a listener they cost nothing.
worker_send_task_events = True
# A task-sent event would contain what the sender's `argsrepr` contains.
task_send_sent_event = False

# ── Beat ─────────────────────────────────────────────────────────────────────────────────────────────────────────
# One process; a second is harmless, because running each of these tasks twice is.
_schedule_seconds = {
    # The sweep: what is due and nobody works on, such as attempts whose worker died.
    "resume_stalled": _settings.resume_every,
    "publish_events": _settings.publish_every,
    "poll_stripe_events": _settings.poll_every,
    "reconcile": _settings.reconcile_every,
    "import_balance": _settings.import_every,
    # Expired rows may wait an hour.
    "prune": 3600.0,
}
# Beat's clock says when a run expires, and the worker's whether it has: if they differ by more, none would ever begin.
_clocks_apart_seconds = 300.0
beat_schedule = {
    # Runs that were not begun long before are dropped: after an outage a few are enough.
    name: {
        "task": f"payment_worker.{name}",
        "schedule": seconds,
        "options": {"expires": seconds + _clocks_apart_seconds},
    }
    for name, seconds in _schedule_seconds.items()
}
# Its state is stored in rows: see the module.
beat_scheduler = "payment_worker.tasks.beat_scheduler:Scheduler"
# A task that could not be enqueued is retried after this.
beat_max_loop_interval = 5
# `inspect ping` answers for beat as well.
beat_enable_remote_control = True
