"""How requests to Stripe and what they came to are called where they are counted: a few words, and no id."""

from payment_worker.domain.outcome import Outcome


def endpoint_name(method: str, path: str) -> str:
    """Stripe's own way to name them: `payment_intents.create`, `payment_intents.capture`, `refunds.list`."""
    _, _, resource, *rest = path.split("/")
    match method, rest:
        case _, [_, verb, *_]:
            return f"{resource}.{verb}"
        case "post", []:
            return f"{resource}.create"
        case "post", _:
            return f"{resource}.update"
        case _, []:
            return f"{resource}.list"
        case _:
            return f"{resource}.retrieve"


def answer_name(outcome: Outcome | None) -> str:
    """`answered`, or the kind of trouble; None for an answer that was none of the ordinary troubles."""
    return "answered" if outcome is None else type(outcome).__name__.lower()
