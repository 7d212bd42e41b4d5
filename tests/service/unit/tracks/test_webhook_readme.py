"""The receiver that the README shows does what it says."""

import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from service.settings import WebhookSettings
from service.tracks.webhook_sign import Signer

README = Path(__file__).parents[4] / "README.md"
BODY = '{"type":"job.completed","timestamp":"2026-01-01T00:00:00Z","data":{"id":"job_1"}}'


def shown() -> Callable[[bytes, dict[str, str], str], int]:
    section = README.read_text("utf-8").split("\n## Webhooks\n")[1].split("\n## ")[0]
    (code,) = re.findall(r"^```python\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    names: dict[str, Callable[[bytes, dict[str, str], str], int]] = {}
    exec(code, names)  # noqa: S102 - our own words
    return names["receive"]


def test_it_takes_a_message_once_and_refuses_what_is_not_signed(capsys: pytest.CaptureFixture[str]) -> None:
    receive, signer = shown(), Signer(WebhookSettings())
    (secret,) = signer.secrets("acme")
    headers = signer.headers(tenant="acme", message_id="msg_1", body=BODY, now_s=time.time())
    assert receive(BODY.encode(), headers, secret) == 204
    assert receive(BODY.encode(), headers, secret) == 204
    assert capsys.readouterr().out == "job.completed {'id': 'job_1'}\n"
    for wrong in (
        {"webhook-signature": "v1,AAAA"},
        {"webhook-signature": "nonsense"},
        {"webhook-timestamp": "1"},
        {"webhook-id": "msg_2"},
    ):
        assert receive(BODY.encode(), {**headers, **wrong}, secret) == 401
    assert receive(b"\xff", headers, secret) == 401
    assert receive(BODY.encode(), {}, secret) == 401
