"""Configuration at the start: a wrong value names its key and ends the process with 2; the live profile is strict.

DESIGN, section 4 (auth, configuration). Next: ``test_surface.py``.
"""

import asyncio
import hashlib
import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.caller import Caller
from tests.root import ROOT
from tests.stack import Stack

from .refusals import problem

KEY, ADMIN_KEY = "gk-a-customer-of-ours", "gk-an-operator-of-ours"
PROVIDER_KEYS = {
    "ANTHROPIC_API_KEY": "sk-ant-any-text",
    "OPENAI_API_KEY": "sk-any-text",
    "PAYMENTS_API_KEY": "sk-pay-any-text",
    "RERANK_API_KEY": "sk-rerank-any-text",
}
LIVE = {
    "GAUNTLET_PROFILE": "live",
    "GAUNTLET_TELEMETRY__PSEUDONYM_KEY": "a secret of this deployment",
    "GAUNTLET_WEBHOOKS__SECRET": "whsec_b3duIHNlY3JldCBvZiB0aGlzIGRlcGxveW1lbnQ=",
    **PROVIDER_KEYS,
}
KEYS = "".join(
    f'[[keys]]\nsha256 = "{hashlib.sha256(key.encode()).hexdigest()}"\ntenant = "acme"\nuser = "{user}"\n{more}'
    for key, user, more in ((KEY, "alice", ""), (ADMIN_KEY, "root", "admin = true\n"))
)


async def ends_with_2(folder: Path, toml: str = "", *flags: str, **env: str) -> str:
    """Start the service, which must refuse with exit code 2; what it said."""
    config = folder / "gauntlet.toml"
    config.write_text(toml)
    inherited = {name: value for name, value in os.environ.items() if name not in PROVIDER_KEYS}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "service", "--port", "0", *flags),
        cwd=ROOT,
        env={**inherited, "GAUNTLET_CONFIG": str(config), **env},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(60):
            out, err = await process.communicate()
    finally:
        if process.returncode is None:  # it did not refuse
            process.kill()
            await process.wait()
    said = err.decode()
    assert process.returncode == 2, said
    assert out == b""
    return said


WRONG: dict[str, tuple[str, list[str]]] = {
    "unknown section": ("[breakers]\nfailures = 5", ["breakers", "unknown key"]),
    "unknown key": ("[breaker]\nfailure = 5", ["breaker.failure", "unknown key", "5"]),
    "out of range": ("[breaker]\ncooldown_s = -1", ["breaker.cooldown_s", "greater than 0", "-1"]),
    "wrong type": ('[retry]\nattempts = "many"', ["retry.attempts", "integer", "'many'"]),
    "wrong choice": ('[routes.default]\nbroken_stream = "hope"', ["broken_stream", "'restart', 'error' or 'buffer'"]),
    "unknown provider": (
        '[[routes.x.rungs]]\nprovider = "nobody"\nmodel = "m"',
        ["routes.x", "'nobody'", "anthropic, openai"],
    ),
    "unknown route": ('default_route = "fast"', ["default_route", "'fast'", "economy"]),
    "incomplete order": ('order = ["cache"]', ["order", "bulkhead"]),
    "no TOML": ("breaker = = 5", ["gauntlet.toml", "not TOML", "line 1"]),
    "two at once": ("workers = 0\nadmission = 0", ["workers", "admission"]),
    "no hash": ('[[keys]]\nsha256 = "plain"\ntenant = "a"\nuser = "b"', ["keys.0.sha256", "'plain'"]),
}


@pytest.mark.parametrize("case", WRONG)
async def test_a_wrong_value_names_its_key_what_was_given_and_what_is_allowed(tmp_path: Path, case: str) -> None:
    toml, words = WRONG[case]
    said = await ends_with_2(tmp_path, toml)
    assert said.startswith("gauntlet service: the configuration cannot be used:\n")
    assert "Traceback" not in said
    missing = [word for word in words if word not in said]
    assert missing == [], said


async def test_wrong_values_in_the_environment_and_on_the_command_line_are_named_too(tmp_path: Path) -> None:
    said = await asyncio.gather(
        ends_with_2(tmp_path, GAUNTLET_PROFILE="prod"),
        ends_with_2(tmp_path, GAUNTLET_BREAKER__FAILURES="few"),
        ends_with_2(tmp_path, REDIS_URL="http://127.0.0.1"),
        ends_with_2(tmp_path, "", "--workers", "0"),
        ends_with_2(tmp_path, "", "--port", "70000"),
        ends_with_2(tmp_path, GAUNTLET_CONFIG="/nowhere.toml"),
    )
    for text, words in zip(
        said,
        (
            ("profile", "'workbench', 'live' or 'bench'", "'prod'"),
            ("breaker.failures", "integer", "'few'"),
            ("REDIS_URL", "rediss", "http://127.0.0.1"),
            ("workers", "greater than or equal to 1", "0"),
            ("service_port", "65535", "70000"),
            ("GAUNTLET_CONFIG", "/nowhere.toml", "existing TOML file"),
        ),
        strict=True,
    ):
        assert [word for word in words if word not in text] == [], text
        assert "Traceback" not in text


async def test_the_live_profile_refuses_to_start_without_keys_or_with_demo_keys(tmp_path: Path) -> None:
    said = await ends_with_2(tmp_path, **LIVE)
    assert "[[keys]]" in said
    assert "demo_keys" in await ends_with_2(tmp_path, KEYS, GAUNTLET_DEMO_KEYS="true", **LIVE)
    for variable in PROVIDER_KEYS:
        env = {name: value for name, value in LIVE.items() if name != variable}
        for part in ("PAYMENTS", "RETRIEVAL__RERANK"):  # whose key is needed where its place is named
            env[f"GAUNTLET_{part}__BASE_URL"] = "http://127.0.0.1:9"
        said = await ends_with_2(tmp_path, KEYS, **env)
        assert f"{variable}: the live profile needs this provider key" in said
        assert "Traceback" not in said


async def test_the_live_profile_takes_hashed_keys_and_no_demo_keys(start_stack: Callable[..., Stack]) -> None:
    async with start_stack(toml=KEYS, env=LIVE) as stack:
        customer, operator = Caller(stack, KEY), Caller(stack, ADMIN_KEY)
        answer = await customer.chat()
        assert (answer.status, answer.json()["source"]) == (200, "live")
        for key in ("demo-alice", "demo-admin", "demo-acme-alice"):
            refused = problem(await Caller(stack, key).chat(), 401)
            assert "demo" not in refused["detail"]
        problem(await customer.request("GET", "/admin/stages"), 403)
        assert (await operator.request("GET", "/admin/stages")).status == 200
        assert (await stack.request("GET", f"{stack.url}/ready")).json()["profile"] == "live"
        assert len(await stack.sim.calls()) == 1
        log = stack.service.log.read_text()
        assert not any(secret in log for secret in (KEY, ADMIN_KEY, *PROVIDER_KEYS.values()))


async def test_the_live_profile_has_no_refunds_unless_a_payments_provider_is_named(
    start_stack: Callable[..., Stack],
) -> None:
    env = {name: value for name, value in LIVE.items() if name != "PAYMENTS_API_KEY"}
    async with start_stack(toml=KEYS, env=env, payments=False) as stack:
        customer = Caller(stack, KEY)
        problem(await customer.refund("one"), 404)
        assert (await customer.chat()).status == 200
        rows = (await Caller(stack, ADMIN_KEY).request("GET", "/admin/breakers")).json()["breakers"]
        assert [row["provider"] for row in rows] == ["anthropic", "openai", "embeddings", "rerank"]


@pytest.mark.parametrize("shared", [False, True])
async def test_a_port_that_is_taken_is_named_with_what_to_do(tmp_path: Path, shared: bool) -> None:
    """Also one that its holder would share, as our own workers do among themselves."""
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, shared)
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        said = await ends_with_2(tmp_path, "", "--port", str(port))
    assert f"127.0.0.1:{port} is taken" in said
    assert "GAUNTLET_SERVICE_PORT" in said
