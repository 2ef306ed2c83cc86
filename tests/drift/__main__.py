"""`make drift STRIPE_SANDBOX_KEY=…`: does Stripe still behave as the simulator does?

Makes test payments in the sandbox of that key, and writes a report with its date.
"""

import os
import sys
from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import stripe

from payment_worker.devstack.waiting import DeadlineMissedError
from tests.drift.checks import CHECKS, Check, DriftError
from tests.drift.stripe_api import StripeApi

KEY: Final = "STRIPE_SANDBOX_KEY"
REPORTS: Final = Path("build", "drift")
DONE, DIFFERS, WRONG_USAGE = 0, 1, 2
_TEST_KEYS = ("sk_test_", "rk_test_")


def run(
    environ: Mapping[str, str],
    *,
    checks: Mapping[str, Check] = CHECKS,
    reports: Path = REPORTS,
    base: str = "https://api.stripe.com",
) -> int:
    """Run every check against Stripe, or say what would be checked where there is no key."""
    key = environ.get(KEY, "")
    if not key:
        sys.stdout.write(f"make drift {KEY}=sk_test_… would check against Stripe that\n")
        sys.stdout.writelines(f"- {sentence}\n" for sentence in checks)
        return DONE
    if not key.startswith(_TEST_KEYS):
        sys.stderr.write(f"{KEY} is not a key of a sandbox (sk_test_…, rk_test_…): nothing was sent.\n")
        return WRONG_USAGE
    at = datetime.now(UTC)
    lines = [f"# Stripe {stripe.api_version} compared on {at:%Y-%m-%d %H:%M} UTC", ""]
    with closing(StripeApi(key, base)) as api:
        results = {sentence: _difference(check, api) for sentence, check in checks.items()}
    lines += [f"- {'differs' if why else 'holds'}: {sentence}{why}" for sentence, why in results.items()]
    report = reports / f"{at:%Y-%m-%dT%H%M%S}.md"
    report.parent.mkdir(parents=True, exist_ok=True)
    report.write_text("\n".join(lines) + "\n", encoding="utf-8")
    sys.stdout.write("\n".join([*lines, "", f"Written to {report}"]) + "\n")
    return DIFFERS if any(results.values()) else DONE


def _difference(check: Check, api: StripeApi) -> str:
    """How an answer differs; nothing where the check holds."""
    try:
        check(api)
    except (DriftError, DeadlineMissedError, LookupError, TypeError) as error:
        return f" ({type(error).__name__}: {error})"
    return ""


if __name__ == "__main__":
    sys.exit(run(os.environ))
