"""What a run tells its simulator and reads there: faults, latency, the ledger (DESIGN 5). Read `load.py` next."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import aiohttp

from door.errors import DoorError

NANO = 1e-9
TIMEOUT = aiohttp.ClientTimeout(total=30)


@dataclass(frozen=True, slots=True)
class Call:
    """A call that reached a provider. Times are seconds since the load began; `end_s` None: it was open when read."""

    target: str
    start_s: float
    end_s: float | None
    status: int | None
    input_tokens: int
    billed_usd: float


@dataclass(frozen=True, slots=True)
class Fault:
    """What breaks at `target` (for one `model`, if it is named), from when and for how long, in seconds since the load
    began.
    """

    target: str
    fault: str
    at_s: float
    for_s: float
    status: int | None = None
    model: str | None = None

    def document(self) -> dict[str, Any]:
        """As the control API takes it."""
        params = {} if self.status is None else {"status": self.status}
        match = {} if self.model is None else {"model": self.model}
        about = {"target": self.target, "fault": self.fault, "match": match}
        return {**about, "at_s": self.at_s, "for_s": self.for_s, "params": params}


class Simulator:
    """The control API of one side's simulator. Its methods raise DoorError when it does not do as it is told."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self._url, self._session = url, session

    async def takes(self, latency_s: float) -> None:
        """Both providers answer after so long, always."""
        for target in ("anthropic", "openai"):
            body = {"target": target, "first_token_ms": latency_s * 1000, "per_token_ms": 0, "sigma": 0}
            await self._send("PUT", "/sim/latency", body)

    async def plan(self, faults: Iterable[Fault], seed: int) -> None:
        """Replace what breaks; the faults' clock starts now."""
        body = {"seed": seed, "faults": [fault.document() for fault in faults]}
        await self._send("PUT", "/sim/timeline", body)

    async def calls(self, began_t: float) -> list[Call]:
        """The ledger's calls, oldest first, in seconds since `began_t` (Unix seconds)."""
        rows = (await self._send("GET", "/sim/ledger"))["calls"]
        return [_call(row, began_t) for row in rows]

    async def _send(self, method: str, path: str, body: object = None) -> Any:
        try:
            async with self._session.request(method, self._url + path, json=body, timeout=TIMEOUT) as response:
                response.raise_for_status()
                return await response.json()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise DoorError(f"the simulator did not do {method} {path}: {error!r}") from error


def _call(row: dict[str, Any], began_t: float) -> Call:
    start_s = row["t"] - began_t
    return Call(
        row["target"],
        start_s,
        None if row["duration_s"] is None else start_s + row["duration_s"],
        row["status"],
        row["input_tokens"],
        row["billed_nano_usd"] * NANO,
    )
