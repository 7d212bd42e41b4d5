"""The layer's real logic over dependencies that count how often they are asked."""

from array import array
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from service.llm.provider import Message
from service.retrieval.index import Hit
from service.retrieval.passages import Passage
from service.retrieval.retrieve import Retrieval
from service.settings import RetrievalSettings
from service.stages.ask import Ask
from service.stages.reply import Reply

from ..fakes import FakeClock, ask, live, route

PASSAGES = [Passage("handbook/x.md", f"part-{n}", f"Part {n}", f"Text of part {n}.") for n in range(12)]


class Layer:
    """Retrieval with a dial for the pressure; ``calls`` counts, ``fails`` makes a part raise."""

    def __init__(self, *, reranks: bool = True, **settings: Any) -> None:
        self.clock = FakeClock()
        self.pressure = 0.0
        self.calls = {"embeddings": 0, "index": 0, "rerank": 0}
        self.fails: dict[str, Exception] = {}
        self.has_vectors = True
        self.kept: list[str] = []
        self.asked: list[Ask] = []
        part: Any = self
        embeddings: Any = _Part(self, "embeddings", lambda *_: [array("f", [1.0])])
        search: Any = _Part(self, "index", self._found)
        rerank: Any = _Part(self, "rerank", lambda *_: [float(-n) for n in range(len(PASSAGES))])
        self._retrieval = Retrieval(
            RetrievalSettings(**settings),
            following=part,
            search=search,
            embeddings=embeddings,
            cache=part,
            rerank=rerank if reranks else None,
            pressure=lambda: self.pressure,
            clock=self.clock,
        )

    @staticmethod
    def _found(ask: Ask, text: str, vector: Any, mode: str, limit: int, until_s: float) -> Any:
        return [Hit(passage, 1.0) for passage in PASSAGES], mode if vector else "lexical"

    async def wait_ready(self, until_s: float) -> bool:
        if "corpus" in self.fails:
            raise self.fails["corpus"]
        return True

    async def read(self, texts: list[str]) -> dict[str, Any]:
        return {}

    def keep(self, vectors: dict[str, Any]) -> None:
        self.kept += vectors

    async def ask(self, *messages: Message, **more: Any) -> tuple[Ask, Reply]:
        """A handbook question, and the reply of a model that was given what was found."""

        async def model(asked: Ask) -> Reply:
            self.asked.append(asked)
            return live("As part 0 says. [1]")

        searched = replace(route(), retrieval=True)
        given = messages or (Message("user", "What does part 0 say?"),)
        asked = ask(self.clock, **{"route": searched, "messages": given, "system": "Be brief.", **more})
        return asked, await self._retrieval.before(model)(asked)


class _Part:
    """A dependency: counted, failing where it is told to, else with this answer."""

    def __init__(self, layer: Layer, name: str, answer: Callable[..., Any]) -> None:
        self._layer = layer
        self._name = name
        self._answer = answer

    async def of(self, *given: Any) -> Any:
        self._layer.calls[self._name] += 1
        if self._name in self._layer.fails:
            raise self._layer.fails[self._name]
        return self._answer(*given)
