"""Each fault looks to Stripe's library as it does in the wild, before the effect or after it."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import stripe

from payment_worker.devstack.servers.simulator import Simulator, SimulatorError
from payment_worker.devstack.waiting import wait_until
from tests.simulator.builders import a_charge, the_error


def _effects(simulator: Simulator) -> int:
    return sum(line["effects"] for line in simulator.ledger()["payment_intents"])


def _raises(client: stripe.StripeClient, key: str = "k") -> stripe.StripeError:
    with pytest.raises(stripe.StripeError) as caught:
        a_charge(client, key=key)
    return caught.value


_SEEN: list[tuple[str, type[stripe.StripeError], int | None]] = [
    ("rate_limited", stripe.RateLimitError, 429),
    ("lock_timeout", stripe.RateLimitError, 429),
    ("rate_limited_html", stripe.APIError, 429),
    ("server_error", stripe.APIError, 500),
    ("server_error_unstored", stripe.APIError, 500),
    ("bad_gateway", stripe.APIError, 502),
    ("unavailable", stripe.APIError, 503),
    ("conflict", stripe.APIError, 409),
    ("unauthorized", stripe.AuthenticationError, 401),
    ("forbidden", stripe.PermissionError, 403),
    ("retry_header", stripe.APIError, 500),
    ("empty", stripe.APIError, 200),
    ("cut_body", stripe.APIError, 200),
    ("cut_connection", stripe.APIConnectionError, None),
    ("reset", stripe.APIConnectionError, None),
]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("seen_as", _SEEN)
def test_a_fault_is_seen_as_what_it_is(
    client: stripe.StripeClient,
    simulator: Simulator,
    seen_as: tuple[str, type[stripe.StripeError], int | None],
    when: str,
) -> None:
    kind, error, status = seen_as
    simulator.fault(kind, when=when, method="POST")
    seen = _raises(client)
    assert (type(seen), seen.http_status) == (error, status)
    assert _effects(simulator) == (1 if when == "after" else 0)
    if kind != "server_error":
        assert a_charge(client, key="k").status == "succeeded"
        assert _effects(simulator) == 1


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_stored_500_is_replayed_for_ever(
    client: stripe.StripeClient, simulator: Simulator, when: str
) -> None:
    simulator.fault("server_error", when=when)
    for _ in range(3):
        assert _raises(client).http_status == 500
    assert _effects(simulator) == (1 if when == "after" else 0)
    assert simulator.get("faults")["faults"][0]["applied"] == 1


def test_a_lock_timeout_says_its_code(client: stripe.StripeClient, simulator: Simulator) -> None:
    simulator.fault("lock_timeout")
    assert the_error(_raises(client))["code"] == "lock_timeout"


def test_a_hung_request_is_given_up(hasty_client: stripe.StripeClient, simulator: Simulator) -> None:
    for when, effects in (("before", 0), ("after", 1)):
        simulator.reset()
        simulator.fault("hang", when=when)
        assert isinstance(_raises(hasty_client), stripe.APIConnectionError)
        assert _effects(simulator) == effects


def test_a_late_effect_comes_after_the_client_gave_up(
    hasty_client: stripe.StripeClient, simulator: Simulator
) -> None:
    simulator.fault("latency", seconds=0.8)
    assert isinstance(_raises(hasty_client), stripe.APIConnectionError)
    assert _effects(simulator) == 0
    wait_until(lambda: _effects(simulator), seconds=10)
    assert a_charge(hasty_client, key="k").status == "succeeded"
    assert _effects(simulator) == 1


def test_latency_after_withholds_the_answer_only(client: stripe.StripeClient, simulator: Simulator) -> None:
    simulator.fault("latency", when="after", seconds=0.5)
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(a_charge, client, "k")
        wait_until(lambda: _effects(simulator), seconds=10)
        assert not slow.done()
        assert slow.result().status == "succeeded"


def test_a_fault_hits_only_what_it_names(client: stripe.StripeClient, simulator: Simulator) -> None:
    fault_id = simulator.fault(
        "unavailable", endpoint="payment_intents.create", metadata={"payment_id": "p2"}
    )
    a_charge(client, metadata={"payment_id": "p1"})
    client.v1.payment_intents.list()
    assert simulator.get("faults")["faults"][0]["seen"] == 0
    with pytest.raises(stripe.APIError):
        a_charge(client, metadata={"payment_id": "p2"})
    simulator.delete(f"faults/{fault_id}")
    assert simulator.get("faults")["faults"] == []


def test_metadata_is_that_of_the_object_when_the_request_has_none(
    client: stripe.StripeClient, simulator: Simulator
) -> None:
    intent = a_charge(client, metadata={"payment_id": "p1"})
    simulator.fault("unavailable", metadata={"payment_id": "p1"}, times=None)
    with pytest.raises(stripe.APIError):
        client.v1.payment_intents.retrieve(intent.id)
    with pytest.raises(stripe.APIError):
        client.v1.refunds.create({"payment_intent": intent.id})


def test_nth_and_times_choose_the_requests(client: stripe.StripeClient, simulator: Simulator) -> None:
    simulator.fault("unavailable", nth=2, times=2)
    outcomes = []
    for number in range(5):
        try:
            outcomes.append(a_charge(client, key=f"k{number}").status)
        except stripe.APIError:
            outcomes.append("down")
    assert outcomes == ["succeeded", "down", "down", "succeeded", "succeeded"]


def test_probability_is_seeded(client: stripe.StripeClient, simulator: Simulator) -> None:
    def run() -> list[int]:
        simulator.reset()
        simulator.fault("unavailable", probability=0.5, times=None, method="GET")
        for _ in range(20):
            try:
                client.v1.payment_intents.list()
            except stripe.APIError:
                continue
        return [simulator.get("faults")["faults"][0][name] for name in ("seen", "applied")]

    first = run()
    assert first == run()
    assert 0 < first[1] < first[0] == 20


@pytest.mark.parametrize(
    "wrong", [{"kind": "gremlin"}, {"kind": "hang", "when": "never"}, {"kind": "hang", "path": "("}, {"x": 1}]
)
def test_a_wrong_fault_is_refused(simulator: Simulator, wrong: dict[str, object]) -> None:
    with pytest.raises(SimulatorError, match="400"):
        simulator.post("faults", wrong)


def test_a_rate_limit_says_why(client: stripe.StripeClient, simulator: Simulator) -> None:
    simulator.post("settings", {"rate_limit_per_second": 2})
    client.v1.payment_intents.list()
    client.v1.payment_intents.list()
    with pytest.raises(stripe.RateLimitError) as caught:
        client.v1.payment_intents.list()
    assert caught.value.headers is not None
    assert caught.value.headers["Stripe-Rate-Limited-Reason"] == "global-rate"
