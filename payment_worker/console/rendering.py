"""Renders the console's templates, with external text escaped and invisible characters shown."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote, urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse

from payment_worker.console.forms import Done
from payment_worker.domain.accounts import account_of
from payment_worker.telemetry.escaping import visible
from payment_worker.telemetry.formats import duration, instant, money

ROWS: Final = 100
"""Of a list that has no further pages."""

DAY: Final = timedelta(days=1)
DASHBOARD: Final = "https://dashboard.stripe.com"
DASHBOARD_PAGES: Final[Mapping[str, str]] = {
    "pi_": "payments",
    "ch_": "payments",
    "py_": "payments",
    "re_": "refunds",
    "pyr_": "refunds",
    "dp_": "disputes",
    "du_": "disputes",
    "evt_": "events",
    "po_": "payouts",
    "txn_": "balance/transactions",
    "cus_": "customers",
}
"""Where Stripe's dashboard shows an object, by how its id begins."""


def _shown(value: object) -> object:
    """What a template writes: nothing for None, and text without characters that hide or reorder others."""
    if value is None:
        return ""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _time(at: datetime) -> Markup:
    return Markup('<time datetime="{}">{}</time>').format(at.isoformat(), instant(at)[:19])


def dashboard(identity: str, *, account: str, is_live: bool) -> str | None:
    """The address of an object in Stripe's dashboard; None where it has no page of its own."""
    prefix = next((each for each in DASHBOARD_PAGES if identity.startswith(each)), None)
    if prefix is None:
        return None
    connected = account_of(account).connected
    parts = [quote(connected, safe="")] if connected else []
    parts += [] if is_live else ["test"]
    return "/".join([DASHBOARD, *parts, DASHBOARD_PAGES[prefix], quote(identity, safe="")])


def _query(parameters: Mapping[str, object], **others: object) -> str:
    """A query string of those parameters that have a value."""
    return urlencode({name: each for name, each in {**parameters, **others}.items() if each})


class Pages:
    """Renders templates."""

    def __init__(self, *, token: Callable[[str], str], flower_url: str | None) -> None:
        """Set up.

        Args:
            token: the token that a user's forms carry.
            flower_url: where a browser reaches Flower.
        """
        self._token = token
        self._templates = Environment(
            loader=PackageLoader("payment_worker.console"),
            autoescape=True,
            auto_reload=False,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            finalize=_shown,
        )
        self._templates.filters |= {
            "time": _time,
            "duration": duration,
            "day": lambda at: f"{at:%Y-%m-%d}",
            "hour": lambda at: f"{at:%H:%M}",
        }
        self._templates.globals |= {
            "money": money,
            "query": _query,
            "dashboard": dashboard,
            "rows": ROWS,
            "one_day": DAY,
            # Flower's page takes no free text, but puts what stands behind `name=` into its search as it is.
            "flower": flower_url and f"{flower_url.rstrip('/')}/tasks?name=payment_worker%20",
        }

    def page(
        self,
        request: Request,
        template: str,
        *,
        http_status: HTTPStatus = HTTPStatus.OK,
        **values: Any,  # noqa: ANN401 - what the template asks for
    ) -> HTMLResponse:
        """The answer to a request, with macros that see what its template sees."""
        user, now = request.state.user, request.state.now
        values |= {
            "user": user,
            "path": request.url.path,
            "token": self._token(user.name) if user and user.may_act else "",
            "done": next((each.sentence for each in Done if each == request.query_params.get("done")), ""),
            "now": now,
            "ago": lambda at: duration(max(now - at, timedelta())),
        }
        parts = self._templates.get_template("parts.html").make_module(values)
        return HTMLResponse(self._templates.get_template(template).render(values, parts=parts), http_status)
