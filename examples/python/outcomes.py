"""Prints what is published about a payment until a message of one type has come: `outcomes.py PAYMENT_ID TYPE`."""

import json
import os
import sys

import redis

STREAM = os.environ.get("PAYMENT_WORKER_STREAM", "payment_worker.events")


def main(payment_id: str, awaited: str) -> None:
    """Read the stream from its beginning, and wait for what is not there yet."""
    client = redis.Redis.from_url(os.environ["REDIS_URL"])
    position = "0"
    while True:
        for _, entries in client.xread({STREAM: position}, block=1000):
            for position, fields in entries:  # noqa: B007 - read on from the last one
                message = json.loads(fields[b"event"])
                if message["subject"] != payment_id:
                    continue
                # At least once: who acts on a message keeps its `id`, and ignores it the second time.
                print(message["type"], json.dumps(message["data"]))
                if message["type"] == awaited:
                    return


if __name__ == "__main__":
    main(*sys.argv[1:])
