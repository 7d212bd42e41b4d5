"""Brownout: what is optional goes first, in an order, and each loss is named."""

import pytest

from service.errors import Unavailable

from .layer import Layer

RERANK, FEWER, PRESSURE = "rerank:pressure", "retrieval:fewer", "retrieval:pressure"


@pytest.mark.parametrize(
    ("pressure", "calls", "passages", "degraded"),
    [
        (0.0, (1, 1, 1), 5, []),
        (0.499, (1, 1, 1), 5, []),
        (0.5, (1, 1, 0), 5, [RERANK]),
        (0.699, (1, 1, 0), 5, [RERANK]),
        (0.7, (1, 1, 0), 2, [RERANK, FEWER]),
        (0.849, (1, 1, 0), 2, [RERANK, FEWER]),
        (0.85, (0, 0, 0), 0, [PRESSURE]),
        (1.3, (0, 0, 0), 0, [PRESSURE]),
    ],
)
async def test_first_the_reranker_goes_then_passages_then_the_search(
    pressure: float, calls: tuple[int, ...], passages: int, degraded: list[str]
) -> None:
    layer = Layer()
    layer.pressure = pressure
    asked, reply = await layer.ask()
    assert tuple(layer.calls.values()) == calls
    assert reply.degraded == degraded
    assert asked.retrieved is not None
    assert asked.retrieved.passages == passages
    assert len(reply.sources or ()) == passages
    assert (asked.system or "").count("<source ") == passages
    if not passages:
        assert (asked.system, asked.retrieved.mode) == ("Be brief.", "none")
    told = [inputs["pressure"] for stage, _, _, inputs in asked.path if stage == "retrieval" and "pressure" in inputs]
    assert told == [round(pressure, 2)] * len(degraded)


async def test_what_is_not_there_or_switched_off_is_no_loss() -> None:
    off, without = Layer(), Layer(reranks=False)
    off.pressure = without.pressure = 0.6
    for layer, switched in ((off, frozenset({"rerank"})), (without, frozenset[str]())):
        _, reply = await layer.ask(off=switched)
        assert reply.degraded == []


async def test_an_index_that_fails_under_pressure_is_the_one_loss() -> None:
    layer = Layer()
    layer.pressure = 0.75
    layer.fails["index"] = Unavailable("the index is away", provider="index")
    asked, reply = await layer.ask()
    assert reply.degraded == ["retrieval"]
    assert asked.system == "Be brief."


async def test_fewer_passages_are_never_more_than_the_usual_number() -> None:
    layer = Layer(fewer_passages=8, passages=5)
    layer.pressure = 0.75
    _, reply = await layer.ask()
    assert len(reply.sources or ()) == 5
