"""All that a run leaves behind, place by place, to be searched for what should not be there."""

import base64
import json
import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import redis

from tests.harness.rows import Rows

_BASE64 = re.compile(r"[A-Za-z0-9+/]{40,}={0,2}")


class Traces:
    """What was left, as text; what was base64 is opened."""

    def __init__(self) -> None:
        self.found: dict[str, str] = {}

    def add(self, place: str, left: object) -> None:
        """Remember what was found there."""
        text = left.decode("latin-1") if isinstance(left, bytes) else str(left)
        self.found[place] = "\n".join([text, *_opened(text)])

    def add_page(self, of: str, url: str, *, login: str | None = None) -> None:
        """What a program answers, to whoever has its password."""
        headers = {"Authorization": f"Basic {base64.b64encode(login.encode()).decode()}"} if login else {}
        with urlopen(Request(url, headers=headers), timeout=20) as answer:  # noqa: S310 our own
            self.add(f"{of}'s page {urlsplit(url).path}", answer.read())

    def add_files(self, directory: Path) -> None:
        """Logs, and whatever else programs wrote there."""
        for file in directory.rglob("*"):
            if file.is_file():
                self.add(f"file {file.relative_to(directory)}", file.read_bytes())

    def add_columns(self, rows: Rows) -> None:
        """Every column of every table."""
        tables = rows("SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public'")
        for table in [str(each["name"]) for each in tables]:
            found = rows(f"SELECT * FROM {table}")  # noqa: S608 - a table's name
            for column in found[0] if found else ():
                self.add(f"column {table}.{column}", json.dumps([row[column] for row in found], default=str))

    def add_keys(self, url: str) -> None:
        """Every key of a Redis database."""
        with closing(redis.Redis.from_url(url, decode_responses=True)) as client:
            for key in client.scan_iter():
                self.add(f"key {key}", f"{key} {_value(client, str(key))}")

    def places_of(self, planted: str) -> set[str]:
        """Where it is, however it is spelled."""
        spellings = {planted, planted.replace("@", "%40"), planted.replace("@", "\\u0040")}
        return {place for place, text in self.found.items() if any(each in text for each in spellings)}


def _opened(text: str) -> Iterator[str]:
    for candidate in _BASE64.findall(text):
        try:
            yield base64.b64decode(candidate).decode()
        except ValueError:
            continue


def _value(client: Any, key: str) -> object:  # noqa: ANN401 - redis-py's types say async or not
    readers = {
        "string": client.get,
        "hash": client.hgetall,
        "set": client.smembers,
        "list": lambda name: client.lrange(name, 0, -1),
        "zset": lambda name: client.zrange(name, 0, -1, withscores=True),
        "stream": client.xrange,
    }
    return readers[client.type(key)](key)
