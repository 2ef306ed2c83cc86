"""Lists which of Stripe's operations the simulator implements.

`python -m payment_worker.simulator.api.endpoints.coverage` prints the table of `docs/simulator.md`.
"""

import re
import sys

from payment_worker.simulator.api.endpoints.routes import ENDPOINTS, stripe_operations

_RESOURCE = re.compile(r"/v1/([a-z_]+)")


def table() -> str:
    """A Markdown table: each resource with what is built and what is answered with 501."""
    built = {(endpoint.method, endpoint.path) for endpoint in ENDPOINTS}
    rows: dict[str, tuple[list[str], list[str]]] = {}
    for method, path in sorted({*built, *stripe_operations()}, key=lambda operation: operation[::-1]):
        resource = _RESOURCE.match(path)
        yes, no = rows.setdefault(resource[1] if resource else path, ([], []))
        (yes if (method, path) in built else no).append(f"`{method} {path.removeprefix('/v1')}`")
    lines = ["| resource | built | not built: 501 |", "|---|---|---|"]
    lines += [
        f"| {name} | {', '.join(yes) or '-'} | {', '.join(no) or '-'} |"
        for name, (yes, no) in rows.items()
        if yes
    ]
    unbuilt = [name for name, (yes, _) in rows.items() if not yes]
    lines += [f"| {', '.join(unbuilt)} | - | all of it |"]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.stdout.write(table() + "\n")
