"""The load is turned to another route while it runs: the bodies name it, and refunds do not."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from loadtests.load.asking import Asker
from loadtests.load.job import Control, ControlReader
from loadtests.load.purse import Purse
from loadtests.load.sender import Answer, Sender
from loadtests.scenario import named
from loadtests.scenario.arrivals import COMPLETIONS, Arrival, Arrivals
from tests.loadtests.drill.made import entry


class Recorder:
    """Takes requests instead of sending them."""

    def __init__(self) -> None:
        self.sent: list[tuple[Arrival, Mapping[str, Any]]] = []

    def send(self, arrival: Arrival, body: Mapping[str, Any], due_t: float, *, copy: int = 0) -> Answer:
        self.sent.append((arrival, body))
        return Answer(entry(due_t), {"thread_id": "t1"})


def bodies(name: str, route: str | None) -> list[tuple[Arrival, Mapping[str, Any]]]:
    recorder = Recorder()
    asker = Asker(cast(Sender, recorder), Purse(None), lambda _: None, lambda: route)
    arrivals = Arrivals(named(name), 7)
    for number in range(1500):
        asker.ask(arrivals.arrival(number, 0.0), 0.0)
    return recorder.sent


def test_every_question_asks_for_the_route_and_keeps_its_id_and_its_thread() -> None:
    planned, turned = bodies("black-friday", None), bodies("black-friday", "economy")
    assert [one.request_id() for one, _ in planned] == [one.request_id() for one, _ in turned]
    assert {arrival.kind for arrival, _ in turned} >= {"faq", "unique", "thread"}
    for (arrival, before), (_, after) in zip(planned, turned, strict=True):
        name = "model" if arrival.path == COMPLETIONS else "route"
        wanted = dict(before) if arrival.kind == "refund" else {**before, name: "economy"}
        assert dict(after) == wanted
    assert any("thread_id" in body for arrival, body in turned if arrival.kind == "thread")


def test_a_route_reaches_the_generator_by_its_control_file(tmp_path: Path) -> None:
    reader = ControlReader(tmp_path)
    Control(epoch=1.0).write(tmp_path)
    assert reader.now().route is None
    Control(epoch=1.0, route="economy").write(tmp_path)
    assert reader.now().route == "economy"
