"""One open page of a Streamlit app, without a browser: its websocket, and the refreshes that its fragments ask for.

A browser that shows the page sends exactly this: run the script, then, for each fragment that asked to be run again,
run that fragment. Read `dashboard.py` next, which measures with it.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

ANSWERS_WITHIN_S = 60.0
FRAGMENT_DONE = ForwardMsg.ScriptFinishedStatus.FINISHED_FRAGMENT_RUN_SUCCESSFULLY
DONE = (FRAGMENT_DONE, ForwardMsg.ScriptFinishedStatus.FINISHED_SUCCESSFULLY)


@dataclass(slots=True)
class Run:
    """One run of the script or of a fragment: seconds until it was over, bytes and messages that came."""

    took_s: float
    size: int
    messages: int
    found: bool = False
    """Whether what was looked for was among what came."""
    fragments: dict[str, float] = field(default_factory=dict)
    """Fragments that asked to be run again, in the order of the page -> every so many seconds."""


class Page:
    """An open page; `run()` draws it whole, `run(fragment)` anew."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket

    async def run(self, fragment: str | None = None, looked_for: bytes | None = None) -> Run:
        """Ask for it, wait until it is drawn, and see whether some bytes were.

        Raises TimeoutError, and RuntimeError when the script failed.
        """
        asked = BackMsg()
        asked.rerun_script.query_string = ""
        if fragment is not None:
            asked.rerun_script.fragment_id, asked.rerun_script.is_auto_rerun = fragment, True
        began_s = time.perf_counter()
        await self._socket.send_bytes(asked.SerializeToString())
        run = Run(0.0, 0, 0)
        async with asyncio.timeout(ANSWERS_WITHIN_S):
            async for message in self._socket:
                if message.type != aiohttp.WSMsgType.BINARY:
                    raise RuntimeError(f"the page closed its socket: {message.type.name}")
                run.size += len(message.data)
                run.messages += 1
                run.found = run.found or (looked_for is not None and looked_for in message.data)
                told = ForwardMsg.FromString(message.data)
                kind = told.WhichOneof("type")
                if kind == "auto_rerun":
                    run.fragments[told.auto_rerun.fragment_id] = told.auto_rerun.interval
                elif kind == "delta" and told.delta.new_element.WhichOneof("type") == "exception":
                    raise RuntimeError(f"the page failed: {told.delta.new_element.exception.message}")
                elif kind == "script_finished":
                    if told.script_finished not in DONE:
                        raise RuntimeError("the script did not come to its end")
                    if (told.script_finished == FRAGMENT_DONE) == (fragment is not None):
                        run.took_s = time.perf_counter() - began_s
                        return run
        raise RuntimeError("the page closed its socket")


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Page]:
    """A page at this base URL."""
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"{url}/_stcore/stream", protocols=["streamlit"], max_msg_size=0) as socket,
    ):
        yield Page(socket)
