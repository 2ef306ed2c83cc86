"""What we override of Celery and kombu: each with the fault that it cures, and a digest of the code that we read.

A release that changes one of these methods may have cured the fault, or may call ours in another way: the test that
compares the digests names the method before anything else fails; docs/explanation/celery-overrides.md says what then.
"""

import ast
import hashlib
import inspect
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from celery.app.task import Task
from celery.concurrency.asynpool import AsynPool
from celery.worker.consumer import Consumer
from celery.worker.consumer.heart import Heart
from celery.worker.heartbeat import Heart as Beat
from celery.worker.request import Request
from kombu.transport import redis as kombu_redis
from kombu.transport.virtual import base as kombu_virtual


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """One method of Celery's or kombu's in whose place ours stands, or which ours wraps."""

    upstream: Callable[..., Any]
    cures: str
    """The fault that the override fixes."""
    test: str
    """Which fails on the stock method."""
    digest: str
    """Of the method as we read it last."""


def digest(upstream: Callable[..., Any]) -> str:
    """The same for the same code, whatever its comments and its layout."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(upstream)))
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and ast.get_docstring(node) is not None:
            node.body = node.body[1:]
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()[:16]


OVERRIDES: Final = (
    Override(
        upstream=Consumer.create_task_handler,
        cures="A header of an unexpected type ends the worker, and each one after it (celery#4308).",
        test="tests/broker/messages/test_fuzz.py",
        digest="b21956b04a9e48c5",
    ),
    Override(
        upstream=Consumer.on_decode_error,
        cures="A message that cannot be decoded is dropped, and its whole body logged.",
        test="tests/broker/messages/test_malformed.py",
        digest="3958d2bb8c19f620",
    ),
    Override(
        upstream=Consumer.on_connection_error_after_connected,
        cures="A task that runs while its connection is cut is started a second time.",
        test="tests/broker/test_outage.py",
        digest="f136b8215f918d3c",
    ),
    Override(
        upstream=Consumer.ensure_connected,
        cures="While Redis is unreachable the worker does not touch its liveness file, and the probe kills it.",
        test="tests/broker/test_outage.py",
        digest="667d4e1496e735ae",
    ),
    Override(
        upstream=Consumer.stop,
        cures="The message that crashed a worker is restored uncounted, and crashes the next worker.",
        test="tests/broker/messages/test_restoring.py",
        digest="d268712a7a9a7a35",
    ),
    Override(
        upstream=Heart.start,
        cures="It creates the Heart of the next line.",
        test="tests/broker/test_outage.py",
        digest="7e05ae578b6b5aa9",
    ),
    Override(
        upstream=Beat._send,
        cures="On a half-open connection the heartbeat blocks the thread that also receives and acknowledges.",
        test="tests/broker/test_outage.py",
        digest="36a3d42e24ed5b56",
    ),
    Override(
        upstream=AsynPool._track_child_process,
        cures="A connection that is lost just when a child exits ends the worker too.",
        test="tests/broker/test_outage.py",
        digest="14da454554e20cb0",
    ),
    Override(
        upstream=AsynPool._create_write_handlers,
        cures="A job waits for the loop's next turn, and each turn unwatches every pipe: a tenth of the parent's CPU.",
        test="tests/broker/test_pool.py",
        digest="e3612e83a7b433e1",
    ),
    Override(
        upstream=Request.__init__,
        cures="A sender's link, chain or time limit is applied; all arguments are shown.",
        test="tests/broker/messages/test_delivery.py, tests/broker/messages/test_shown_arguments.py",
        digest="12a69f43de28e832",
    ),
    Override(
        upstream=Request.info,
        cures="`inspect` shows all arguments.",
        test="tests/broker/messages/test_shown_arguments.py",
        digest="9824569b01f6e1e2",
    ),
    Override(
        upstream=Request.execute_using_pool,
        cures="An error while a task is passed to the pool ends the worker.",
        test="tests/broker/messages/test_fuzz.py",
        digest="4522321b89c4be74",
    ),
    Override(
        upstream=Request.on_failure,
        cures="A task that raised is acknowledged, and the only record of its request is lost (celery#9082).",
        test="tests/broker/messages/test_delivery.py",
        digest="29becb5dcf2c41f1",
    ),
    Override(
        upstream=Task.__call__,
        cures="An exception's arguments are in logs, events and results.",
        test="tests/broker/messages/test_shown_arguments.py",
        digest="fa1c8a768c57475d",
    ),
    Override(
        upstream=Task.apply_async,
        cures="The sender's `argsrepr` shows all arguments.",
        test="tests/broker/messages/test_shown_arguments.py",
        digest="d468fb2fbd3c0397",
    ),
    Override(
        upstream=Task.retry,
        cures="A retry's `eta` is by the clock of the machine that retried it.",
        test="tests/broker/test_read_message.py",
        digest="b77295cf8e15e0f5",
    ),
    Override(
        upstream=kombu_redis.QoS.append,
        cures="A message received from a Redis that has just run out of memory is dropped.",
        test="tests/broker/test_outage.py",
        digest="bdc5ddeaeea754cc",
    ),
    Override(
        upstream=kombu_redis.QoS.ack,
        cures="A transaction for each message and each acknowledgement: a tenth of the main process's CPU.",
        test="tests/broker/test_acknowledgements.py",
        digest="c657a6451d3caea8",
    ),
    Override(
        upstream=kombu_redis.QoS.restore_unacked,
        cures="Messages that were not started cannot be told from those that were not finished.",
        test="tests/broker/messages/test_delivery.py",
        digest="c15fc0a5178b0c81",
    ),
    Override(
        upstream=kombu_redis.QoS.restore_by_tag,
        cures="Junk in `priority` or in a binding loses the message and logs its body; runs that died are not counted.",
        test="tests/broker/messages/test_restoring.py",
        digest="1373b798f9fc648b",
    ),
    Override(
        upstream=kombu_redis.Channel._get_pool,
        cures="A busy worker exits with status 1 when Redis becomes unreachable.",
        test="tests/broker/test_outage.py",
        digest="97d018d174f163dd",
    ),
    Override(
        upstream=kombu_redis.Channel._create_client,
        cures="A queue entry that is no message stops the worker inside kombu, and is lost.",
        test="tests/broker/messages/test_malformed.py",
        digest="13a296471d9d737d",
    ),
    Override(
        upstream=kombu_redis.Channel._brpop_read,
        cures="Each of many messages that wait is popped and stored by itself: a sixth of a charge's CPU with threads.",
        test="tests/broker/test_taking_together.py",
        digest="cf6e7a3c978ccf4b",
    ),
    Override(
        upstream=kombu_redis.Channel._brpop_start,
        cures="A message that waits is popped by one command and stored by another: 5 % of a charge's CPU.",
        test="tests/broker/test_taking_together.py",
        digest="8de199424eb77724",
    ),
    Override(
        upstream=kombu_redis.Channel.conn_or_acquire,
        cures="Each message and each acknowledgement makes a Redis client: a tenth of the main process's CPU.",
        test="tests/broker/test_task_events.py",
        digest="e216d8d51fe9e91d",
    ),
    Override(
        upstream=kombu_virtual.Channel._lookup,
        cures="Messages that a worker enqueues are routed by bindings that others wrote, or fail.",
        test="tests/broker/messages/test_restoring.py",
        digest="dd1fea18867bdac0",
    ),
)
