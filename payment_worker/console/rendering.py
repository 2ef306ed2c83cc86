"""Renders the console's templates, with external text escaped and invisible characters shown."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from payment_worker.domain.accounts import account_of
from payment_worker.domain.attempts.outcome import explained
from payment_worker.telemetry.escaping import visible
from payment_worker.telemetry.formats import duration, instant, money

ROWS: Final = 100
"""Of a list that has no further pages."""

DAY: Final = timedelta(days=1)
DASHBOARD: Final = "https://dashboard.stripe.com"
DASHBOARD_PAGES: Final[Mapping[str, str]] = {
    **dict.fromkeys(("pi_", "ch_", "py_"), "payments"),
    **dict.fromkeys(("re_", "pyr_"), "refunds"),
    **dict.fromkeys(("dp_", "du_"), "disputes"),
    "evt_": "events",
    "po_": "payouts",
    "txn_": "balance/transactions",
    "cus_": "customers",
}
"""Where Stripe's dashboard shows an object, by how its id begins."""


def environment(*, flower_url: str | None) -> Environment:
    """The templates, with links to Flower where a browser reaches it."""
    made = Environment(
        loader=PackageLoader("payment_worker.console"),
        autoescape=True,
        auto_reload=False,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )
    made.filters |= {
        "time": _time,
        "duration": duration,
        "day": "{:%Y-%m-%d}".format,
        "hour": "{:%H:%M}".format,
    }
    made.globals |= {
        "money": money,
        "dashboard": dashboard,
        "explained": explained,
        "rows": ROWS,
        "one_day": DAY,
        # Flower's page takes no free text, but puts what stands behind `name=` into its search as it is.
        "flower": flower_url and f"{flower_url.rstrip('/')}/tasks?name=payment_worker%20",
    }
    return made


def dashboard(identity: str, *, account: str, is_live: bool) -> str | None:
    """The address of an object in Stripe's dashboard; None where it has no page of its own."""
    prefix = next((each for each in DASHBOARD_PAGES if identity.startswith(each)), None)
    if prefix is None:
        return None
    parts = [quote(account_of(account).connected, safe=""), "" if is_live else "test"]
    address = [DASHBOARD, *filter(None, parts), DASHBOARD_PAGES[prefix], quote(identity, safe="")]
    return "/".join(address)


def _shown(value: object) -> object:
    """What a template writes: nothing for None, and text without characters that hide or reorder others."""
    if value is None:
        return ""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _time(at: datetime) -> Markup:
    return Markup('<time datetime="{}">{}</time>').format(at.isoformat(), instant(at)[:19])
