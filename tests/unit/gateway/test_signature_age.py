"""A signature is judged by what it signs; how old it may be is the HTTP edge's to say."""

import pytest

from payment_worker.gateway.webhook import TOLERANCE_SECONDS, BadSignatureError, verified
from tests.webhook.sending import SECRET, an_event, signature, written


def test_a_signature_of_any_age_is_good_where_no_tolerance_is_given() -> None:
    body = written(an_event())
    header = signature(body, age_seconds=86_400)
    assert verified(body.decode(), header, secrets=[("", SECRET)]).event_id
    with pytest.raises(BadSignatureError):
        verified(body.decode(), header, secrets=[("", SECRET)], tolerance_seconds=TOLERANCE_SECONDS)


def test_a_signature_of_another_secret_is_bad_at_any_age() -> None:
    body = written(an_event())
    with pytest.raises(BadSignatureError):
        verified(body.decode(), signature(body, "whsec_other"), secrets=[("", SECRET)])
