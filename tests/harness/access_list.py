"""Logs in to Redis as a user that the docs describe."""

import re
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import redis

PAGE = Path(__file__).parents[2] / "docs/how-to/secure.md"
PASSWORD = "of-an-app"


def as_documented_user(url: str, name: str) -> str:
    """The same Redis as this user, which is created with the rule on the page about security."""
    (rule,) = re.findall(rf"^ +ACL SETUSER ({name} .*)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    # What is in brackets is one argument: keys of its own, and the commands that may be used on them.
    words = re.findall(r"\(.*?\)|\S+", rule.replace("PASSWORD", PASSWORD))
    with closing(redis.Redis.from_url(url)) as admin:
        admin.execute_command("ACL", "SETUSER", *words)  # type: ignore[no-untyped-call]
    address = urlsplit(url)
    return address._replace(netloc=f"{name}:{PASSWORD}@{address.hostname}:{address.port}").geturl()
