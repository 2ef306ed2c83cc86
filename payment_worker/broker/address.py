"""Translates `REDIS_URL` into Celery's `broker_url` and transport options."""

from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from payment_worker.settings.redis import as_kombu_says

_MASTER = "master_name"
# What Redis's own documentation calls it.
_USUAL_MASTER = "mymaster"


def broker_address(url: str) -> tuple[str, dict[str, Any]]:
    """A broker URL for kombu, and the transport options that go with it.

    Sentinels are given as `sentinel://one:26379;sentinel://two:26379?master_name=mymaster`: kombu wants the name
    of the master elsewhere, and stumbles over it in a URL.
    """
    if not url.startswith("sentinel://"):
        return as_kombu_says(url), {}
    master, sentinels = _USUAL_MASTER, []
    for sentinel in url.split(";"):
        address = urlsplit(sentinel)
        query = dict(parse_qsl(address.query))
        master = query.pop(_MASTER, master)
        sentinels.append(urlunsplit(address._replace(query=urlencode(query))))
    return ";".join(sentinels), {_MASTER: master}
