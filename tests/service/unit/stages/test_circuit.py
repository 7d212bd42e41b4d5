"""The circuit as a state machine, and ``circuit.lua`` held against it on a real Valkey."""

from collections.abc import Iterator
from dataclasses import asdict
from importlib import resources

import orjson
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st
from redis import Redis

from service.stages.circuit import Circuit
from tests.valkey import Valkey

COOLDOWN_MS = 30_000


def opened(at: float = 0) -> Circuit:
    circuit = Circuit()
    for _ in range(5):
        circuit.failure(at, circuit.generation, "", 5, COOLDOWN_MS)
    return circuit


def test_five_failures_in_a_row_open_it_for_the_cool_down() -> None:
    circuit = Circuit()
    for count in range(1, 5):
        circuit.failure(0, 0, "", 5, COOLDOWN_MS)
        assert (circuit.state, circuit.failures) == ("closed", count)
    circuit.failure(7, 0, "", 5, COOLDOWN_MS)
    assert (circuit.state, circuit.open_until, circuit.generation) == ("open", 30_007, 1)


def test_a_success_between_failures_begins_the_count_anew() -> None:
    circuit = Circuit()
    for _ in range(10):
        for _ in range(4):
            circuit.failure(0, 0, "", 5, COOLDOWN_MS)
        circuit.success(0, "")
    assert (circuit.state, circuit.failures) == ("closed", 0)


def test_nobody_probes_before_the_cool_down_ends_and_then_exactly_one() -> None:
    circuit = opened()
    assert not circuit.claim(29_999, "a", 10_000)
    assert circuit.claim(30_000, "a", 10_000)
    assert circuit.state == "half_open"
    assert not any(circuit.claim(30_001, token, 10_000) for token in "bcdefg")


def test_a_successful_probe_closes_it_and_forgets_everything() -> None:
    circuit = opened()
    circuit.claim(30_000, "a", 10_000)
    circuit.success(1, "a")
    assert (circuit.state, circuit.failures, circuit.open_until, circuit.token) == ("closed", 0, 0, "")
    assert circuit.generation == 2


def test_a_failed_probe_opens_it_for_another_cool_down() -> None:
    circuit = opened()
    circuit.claim(30_000, "a", 10_000)
    circuit.failure(31_000, 1, "a", 5, COOLDOWN_MS)
    assert (circuit.state, circuit.open_until) == ("open", 61_000)


def test_a_released_probe_may_be_claimed_at_once() -> None:
    circuit = opened()
    circuit.claim(30_000, "a", 10_000)
    circuit.release("a")
    assert circuit.state == "open"
    assert circuit.claim(30_001, "b", 10_000)


def test_a_probe_whose_lease_ran_out_may_be_claimed_and_the_late_one_has_no_say() -> None:
    circuit = opened()
    circuit.claim(30_000, "a", 10_000)
    assert not circuit.claim(39_999, "b", 10_000)
    assert circuit.claim(40_000, "b", 10_000)
    circuit.failure(40_001, 1, "a", 5, COOLDOWN_MS)
    circuit.success(1, "a")
    circuit.release("a")
    assert not circuit.renew(40_001, "a", 10_000)
    assert (circuit.state, circuit.token) == ("half_open", "b")


def test_a_renewed_probe_keeps_its_lease() -> None:
    circuit = opened()
    circuit.claim(30_000, "a", 10_000)
    assert circuit.renew(38_000, "a", 10_000)
    assert not circuit.claim(47_999, "b", 10_000)


def test_results_of_calls_that_began_before_a_change_are_discarded() -> None:
    circuit = Circuit()
    began_in = circuit.generation
    for _ in range(5):
        circuit.failure(0, began_in, "", 5, COOLDOWN_MS)
    circuit.claim(30_000, "a", 10_000)
    circuit.success(1, "a")
    for _ in range(20):
        circuit.failure(30_001, began_in, "", 5, COOLDOWN_MS)
    assert (circuit.state, circuit.failures) == ("closed", 0)


@pytest.mark.parametrize("op", ["failure", "success"])
def test_a_result_without_the_token_does_not_judge_a_probe(op: str) -> None:
    circuit = opened()
    circuit.claim(30_000, "a", 10_000)
    if op == "failure":
        circuit.failure(30_001, circuit.generation, "", 5, COOLDOWN_MS)
    else:
        circuit.success(circuit.generation, "")
    assert circuit.state == "half_open"


def test_no_probe_before_a_pause_ends_and_a_pause_is_never_shortened() -> None:
    circuit = opened()
    circuit.pause(0, 50_000)
    circuit.pause(0, 10_000)
    assert circuit.pause_until == 50_000
    assert not circuit.claim(49_999, "a", 10_000)
    assert circuit.claim(50_000, "a", 10_000)


def test_a_reset_closes_it_ends_the_pause_and_discards_what_is_under_way() -> None:
    circuit = opened()
    circuit.pause(0, 50_000)
    circuit.reset()
    assert (circuit.state, circuit.failures, circuit.pause_until, circuit.open_until) == ("closed", 0, 0, 0)
    circuit.failure(0, 1, "", 1, COOLDOWN_MS)
    assert circuit.state == "closed"


def test_shared_state_is_adopted_in_our_time() -> None:
    circuit = Circuit()
    shared = {"state": "open", "version": "7", "generation": "3", "failures": "5", "open_until": "5000"}
    circuit.adopt(shared, shift_ms=100)
    assert (circuit.state, circuit.version, circuit.generation, circuit.open_until) == ("open", 7, 3, 5100)
    assert circuit.pause_until == 0, "no pause stays no pause in whatever time"
    circuit.adopt({}, shift_ms=0)
    assert circuit == Circuit(), "nothing stored is nothing known"


TOKENS = st.sampled_from(["a", "b", ""])
AGE = st.integers(0, 1)
"""A call of the circuit's present generation, or of the one before."""
DURATION_MS = st.sampled_from([0, 1, 3_600_000])
OPERATION = st.one_of(
    st.tuples(st.just("failure"), AGE, TOKENS, st.integers(1, 3)),
    st.tuples(st.just("success"), AGE, TOKENS, st.just(0)),
    st.tuples(st.just("release"), AGE, TOKENS, st.just(0)),
    st.tuples(st.just("claim"), AGE, st.sampled_from(["a", "b"]), DURATION_MS),
    st.tuples(st.just("renew"), AGE, TOKENS, DURATION_MS),
    st.tuples(st.just("pause"), AGE, st.just(""), DURATION_MS),
    st.tuples(st.just("reset"), AGE, st.just(""), st.just(0)),
)


class Server:
    """``circuit.lua`` on the real server."""

    def __init__(self, port: int) -> None:
        self.redis = Redis(port=port, decode_responses=True)
        self.run = self.redis.register_script(resources.files("service.stages").joinpath("circuit.lua").read_text())

    def step(
        self, op: str, generation: int, token: str, number: int, cooldown_ms: int
    ) -> tuple[bool, int, dict[str, str]]:
        """Whether it was allowed, the server's time in ms, and the circuit after it."""
        allowed, now, *flat = self.run(["breaker:{x}"], [op, generation, token, number, cooldown_ms, "channel"])
        return bool(allowed), now, dict(zip(flat[::2], flat[1::2], strict=True))


@pytest.fixture(scope="session")
def server(valkey: Valkey) -> Iterator[Server]:
    server = Server(valkey.port)
    yield server
    server.redis.close()


def model_step(circuit: Circuit, now: int, op: str, generation: int, token: str, number: int, cooldown_ms: int) -> bool:
    """The same transition on the model, at the time that the server says it was."""
    match op:
        case "failure":
            circuit.failure(now, generation, token, number, cooldown_ms)
        case "success":
            circuit.success(generation, token)
        case "release":
            circuit.release(token)
        case "claim":
            return circuit.claim(now, token, number)
        case "renew":
            return circuit.renew(now, token, number)
        case "pause":
            circuit.pause(now, number)
        case "reset":
            circuit.reset()
    return False


@hypothesis(max_examples=150, deadline=None)
@given(st.lists(OPERATION, min_size=1, max_size=25), st.sampled_from([0, 3_600_000]))
def test_the_script_and_the_model_agree_on_every_sequence(
    server: Server, operations: list[tuple[str, int, str, int]], cooldown_ms: int
) -> None:
    server.redis.delete("breaker:{x}")
    model, version = Circuit(), 0
    for op, age, token, number in operations:
        before, generation = asdict(model), model.generation - age
        allowed, now, fields = server.step(op, generation, token, number, cooldown_ms)
        assert allowed == model_step(model, now, op, generation, token, number, cooldown_ms)
        stored = Circuit()
        stored.adopt(fields, shift_ms=0)
        # What was granted (in one millisecond twice, say) and a reset are told even where nothing is different then.
        version += op == "reset" or allowed or asdict(model) != before
        assert asdict(stored) == {**asdict(model), "version": version}


def test_a_change_is_published_with_the_servers_time_and_nothing_else_is(server: Server) -> None:
    server.redis.delete("breaker:{x}")
    with server.redis.pubsub(ignore_subscribe_messages=True) as pubsub:  # type: ignore[no-untyped-call]
        pubsub.subscribe("channel")
        pubsub.get_message(timeout=5)
        server.step("success", 0, "", 0, 0)
        _, now, fields = server.step("failure", 0, "", 5, 0)
        message = None
        while message is None:
            message = pubsub.get_message(timeout=5)
        assert pubsub.get_message(timeout=0.05) is None
    published = orjson.loads(message["data"])
    flat = published["fields"]
    assert published["key"] == "breaker:{x}"
    assert dict(zip(flat[::2], flat[1::2], strict=True)) == {**fields, "now": str(now)}
