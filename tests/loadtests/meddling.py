"""What no setting can make the service do wrong, somebody else does while a run of load is under way.

A store that loses what it was told, and a sender that makes a message anew instead of sending it again: each is done by
a thread beside the run, through the same doors as the service.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import redis

from door.running import Lab
from loadtests.books import ledger
from loadtests.simulator.webhooks import DEFAULT_SECRET, DERIVATION

LOOK_S = 0.05
TENANT = "nobody"

Meddler = Callable[[Lab, Callable[[], bool]], None]
"""Does something wrong until it is told that the run is over."""


@contextmanager
def meddling(meddler: Meddler | None, lab: Lab) -> Iterator[None]:
    """Let it do that while the block runs."""
    if meddler is None:
        yield
        return
    over = threading.Event()
    thread = threading.Thread(target=meddler, args=(lab, over.is_set), daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(30)
        assert not thread.is_alive()


def a_store_forgets_finished_steps(lab: Lab, over: Callable[[], bool]) -> None:
    """Every finished step of every job is taken out of its record, so that who goes on with it pays again."""
    with redis.Redis.from_url(lab.urls["valkey"], decode_responses=True) as store:
        while not over():
            for key in store.scan_iter("job:*", count=1000):
                steps = [name for name in store.hkeys(key) if name.startswith("step:")] if _is_hash(store, key) else []
                if steps:
                    store.hdel(key, *steps)
            time.sleep(LOOK_S)


def a_sender_makes_messages_anew(lab: Lab, over: Callable[[], bool]) -> None:
    """Whatever the receiver has taken is sent once more under another id, signed as it should be."""
    told: set[str | None] = set()
    simulator = lab.urls["simulator"]
    while not over():
        for one in ledger.fetch(simulator, 0).webhooks:
            if one.message_id not in told and one.is_taken:
                told |= {one.message_id, again := f"{one.message_id}-again"}
                _send(lab.urls["webhooks"], again, {"type": one.event, "data": {"id": one.subject_id}})
        time.sleep(LOOK_S)


def _is_hash(store: redis.Redis, key: str) -> bool:
    return bool(store.type(key) == "hash")


def _send(url: str, message_id: str, document: object) -> None:
    body, stamp = json.dumps(document).encode(), str(int(time.time()))
    master = base64.b64decode(DEFAULT_SECRET.removeprefix("whsec_"))
    key = hmac.digest(master, DERIVATION + TENANT.encode(), hashlib.sha256)
    signed = hmac.digest(key, f"{message_id}.{stamp}.".encode() + body, hashlib.sha256)
    headers = {
        "Content-Type": "application/json",
        "Gauntlet-Tenant": TENANT,
        "Webhook-Id": message_id,
        "Webhook-Timestamp": stamp,
        "Webhook-Signature": f"v1,{base64.b64encode(signed).decode()}",
    }
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
    connection.request("POST", "/webhooks", body, headers)
    assert connection.getresponse().status == http.client.OK
    connection.close()
