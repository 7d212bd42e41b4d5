"""A line of the log: which request it is about, nobody's data in it, and whom else it is told."""

import json
import subprocess
import sys
from typing import Any

from tests.root import ROOT

SAYS = """
import logging, structlog
from service.gateway.auth import Caller
from service.gateway.context import Context, current
from service.observability import logs
logs.set_up()
log = structlog.get_logger("test")
log.info("before")
context = Context("5e1c", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", None, 0, 0, "POST",
                  caller=Caller("acme", "alice"))
current.set(context)
told = []
logs.forward_to(told.append, lambda context: "hash of " + context.caller.user)
log.info("about", mail="to jane.doe@example.com", deep={"more": ["4111 1111 1111 1111", 7]}, count=4111111111111111)
log.info("given", request_id="another")
try:
    raise ValueError("for jane.doe@example.com")
except ValueError as error:
    log.exception("failed")
    log.info("survived", reason=str(error))
logging.getLogger("some.library").warning("called jane.doe@example.com")
logging.getLogger("opentelemetry.exporter").warning("cannot send")
print(__import__("json").dumps([event["event"] for event in told]))
"""


def said() -> tuple[list[dict[str, Any]], list[str], str]:
    """The lines, what was forwarded, and the lines as text."""
    done = subprocess.run([sys.executable, "-c", SAYS], cwd=ROOT, capture_output=True, text=True, check=True)
    return [json.loads(line) for line in done.stderr.splitlines()], json.loads(done.stdout), done.stderr


def test_lines_name_their_request_and_hold_no_personal_data() -> None:
    lines, forwarded, text = said()
    before, about, given, failed, survived, library, exporter = lines
    assert "request_id" not in before
    assert (about["request_id"], about["trace_id"], about["span_id"]) == (
        "5e1c",
        "4bf92f3577b34da6a3ce929d0e0e4736",
        "00f067aa0ba902b7",
    )
    assert (about["tenant"], about["user"]) == ("acme", "hash of alice")
    assert (about["mail"], about["deep"]) == ("to [email]", {"more": ["[number]", 7]})
    assert about["count"] == 4111111111111111, "a number is not a text"
    assert given["request_id"] == "another"
    assert "ValueError: for [email]" in failed["exception"]
    assert survived["reason"] == "for [email]"
    assert "exception" not in survived, "no stack at info"
    assert library["event"] == "called [email]"
    assert exporter["event"] == "cannot send"
    assert "jane.doe" not in text
    # What those who send say about a failed sending is not sent.
    assert forwarded == ["about", "given", "failed", "survived", "called [email]"]
