"""Findings about accounts and lists that our key may not read, and the objects that each of them hides."""

from typing import Final

from payment_worker.domain.findings.kinds import Difference, FindingKind, StripeList

CLOSURES: Final = frozenset({FindingKind.ACCOUNT_UNREADABLE, FindingKind.LIST_UNREADABLE})
"""Findings about objects that Stripe denies us."""


Closed = tuple[FindingKind, str]
"""Objects that Stripe denies us: kind and object of the finding about it."""


def closed_list(stripe_list: StripeList, *, stripe_account: str) -> Closed:
    """A list of an account, and the objects on it."""
    return (
        FindingKind.LIST_UNREADABLE,
        f"{stripe_list} of {stripe_account}" if stripe_account else stripe_list,
    )


def closed_account(stripe_account: str) -> Closed:
    """A connected account and all that is on it."""
    return FindingKind.ACCOUNT_UNREADABLE, stripe_account


def closures(stripe_list: StripeList, *, stripe_account: str) -> frozenset[Closed]:
    """The closures of which any one hides this list."""
    itself = closed_list(stripe_list, stripe_account=stripe_account)
    return frozenset({itself, closed_account(stripe_account)} if stripe_account else {itself})


def not_shown(closed: Closed, *, stripe_account: str, reason: str) -> Difference:
    """A finding about objects that Stripe denies us."""
    kind, object_id = closed
    return Difference(
        kind=kind,
        object_id=object_id,
        stripe_account=stripe_account,
        detail={"ours": None, "theirs": reason},
    )
