"""Where a webhook may go: every rule refuses what it is for, before any connection, and nothing that is public."""

from collections.abc import Sequence
from typing import Any

import pytest

from service.clock import SystemClock
from service.errors import Overloaded
from service.settings import WebhookSettings, load
from service.tracks.webhook_target import LOOK_UP_AGAIN_S, Pinned, TargetRefused, Targets

LIVE: dict[str, Any] = {"http": False, "allowed_networks": (), "allowed_ports": (443, 8443)}
PUBLIC = "93.184.215.14"
PUBLIC_6 = "2606:2800:21f:cb07:6820:80da:af6b:8b2c"


class Names:
    """A resolver that lists what it was asked; a name with several answers changes its mind."""

    def __init__(self, **names: Sequence[Sequence[str]]) -> None:
        self._names = {name.replace("_", "."): list(answers) for name, answers in names.items()}
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int, tenant: str) -> Sequence[str]:
        self.asked.append(host)
        answers = self._names.get(host)
        if not answers:
            raise OSError("no such name")
        return answers.pop(0) if len(answers) > 1 else answers[0]


def targets(names: Names | None = None, **given: Any) -> Targets:
    return Targets(WebhookSettings(**{**LIVE, **given}), clock=SystemClock(), resolve=names or Names())


async def rule(url: str, names: Names | None = None, **given: Any) -> str:
    with pytest.raises(TargetRefused) as caught:
        await targets(names, **given).check(url)
    assert caught.value.status == 400
    return caught.value.rule


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("0.0.0.0", "unspecified"),  # noqa: S104
        ("0.1.2.3", "unspecified"),
        ("127.0.0.1", "loopback"),
        ("127.255.255.254", "loopback"),
        ("10.0.0.1", "private"),
        ("172.16.0.1", "private"),
        ("172.31.255.255", "private"),
        ("192.168.1.1", "private"),
        ("100.64.0.1", "shared"),
        ("100.127.255.255", "shared"),
        ("169.254.0.1", "link_local"),
        ("169.254.169.254", "metadata"),
        ("100.100.100.200", "metadata"),
        ("168.63.129.16", "metadata"),
        ("192.0.0.192", "metadata"),
        ("224.0.0.1", "multicast"),
        ("239.255.255.250", "multicast"),
        ("255.255.255.255", "reserved"),
        ("240.0.0.1", "reserved"),
        ("192.0.0.8", "reserved"),
        ("198.18.0.1", "reserved"),
        ("192.0.2.1", "documentation"),
        ("198.51.100.7", "documentation"),
        ("203.0.113.9", "documentation"),
        ("192.88.99.1", "tunnel"),
        ("[::]", "unspecified"),
        ("[::1]", "loopback"),
        ("[fc00::1]", "private"),
        ("[fd12:3456::1]", "private"),
        ("[fec0::1]", "private"),
        ("[fe80::1]", "link_local"),
        ("[fd00:ec2::254]", "metadata"),
        ("[fd20:ce::254]", "metadata"),
        ("[ff02::1]", "multicast"),
        ("[2001:db8::1]", "documentation"),
        ("[3fff::1]", "documentation"),
        ("[100::1]", "reserved"),
        ("[5f00::1]", "reserved"),
        ("[4000::1]", "reserved"),
        ("[::7f00:1]", "reserved"),  # the deprecated form without ffff
        ("[::ffff:127.0.0.1]", "loopback"),
        ("[::ffff:7f00:1]", "loopback"),
        ("[::ffff:10.0.0.1]", "private"),
        ("[::ffff:169.254.169.254]", "metadata"),
        ("[::ffff:100.64.0.1]", "shared"),
        ("[64:ff9b::7f00:1]", "loopback"),
        ("[64:ff9b::a9fe:a9fe]", "metadata"),
        ("[64:ff9b::10.1.2.3]", "private"),
        ("[64:ff9b:1::7f00:1]", "private"),
        ("[2002:7f00:1::]", "tunnel"),
        ("[2002:a00:1::1]", "tunnel"),
        ("[2001:0:4136:e378:8000:63bf:3fff:fdd2]", "tunnel"),
        ("[2001:2::1]", "reserved"),
    ],
)
async def test_an_address_inside_is_refused_by_its_rule(address: str, expected: str) -> None:
    names = Names()
    assert await rule(f"https://{address}/hook", names) == expected
    assert names.asked == []


@pytest.mark.parametrize("address", [PUBLIC, f"[{PUBLIC_6}]", f"[::ffff:{PUBLIC}]", "[64:ff9b::5db8:d70e]", "1.1.1.1"])
async def test_a_public_address_is_taken(address: str) -> None:
    target = await targets().check(f"https://{address}/hook")
    assert len(target.addresses) == 1


@pytest.mark.parametrize(
    "host",
    [
        "2130706433",
        "0x7f.1",
        "0x7f000001",
        "0177.0.0.1",
        "127.1",
        "127.0.1",
        "0x7f.0x0.0x0.0x1",
        "127.0.0.1.",
        "1.2.3.4.5",
        "0300.0250.1.1",
        "00",
        "0x",
        "10.0.0.010",
    ],
)
async def test_odd_spellings_of_an_address_are_refused_without_a_look_up(host: str) -> None:
    names = Names()
    assert await rule(f"https://{host}/", names) == "spelling"
    assert names.asked == []


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://example.com/", "scheme"),
        ("ftp://example.com/", "scheme"),
        ("file:///etc/passwd", "scheme"),
        ("gopher://example.com/", "scheme"),
        ("example.com/hook", "scheme"),
        ("//example.com/hook", "scheme"),
        ("https:///hook", "form"),
        ("https://user@example.com/", "credentials"),
        ("https://user:secret@example.com/", "credentials"),
        ("https://:secret@example.com/", "credentials"),
        ("https://@example.com/", "credentials"),
        ("https://example.com@127.0.0.1/", "credentials"),
        ("https://example.com:22/", "port"),
        ("https://example.com:80/", "port"),
        ("https://example.com:0/", "port"),
        ("https://example.com:99999/", "form"),
        ("https://example.com:x/", "form"),
        ("https://[fe80::1%25eth0]/", "zone"),
        ("https://[::1%eth0]/", "zone"),
        ("https://[::1/", "form"),
        ("https://exam ple.com/", "characters"),
        ("https://example.com\\@127.0.0.1/", "characters"),
        ("https://example.com/\r\nHost: x", "characters"),
        ("https://ⓔxample.com/", "characters"),
        ("https://127。0。0。1/", "characters"),
        ("https://exa%6dple.com/", "form"),
        ("https://example..com/", "form"),
        ("https://-example.com/", "form"),
        ("https://" + "a" * 64 + ".com/", "form"),
        ("https://" + "a." * 130 + "com/", "form"),
        ("https://example.com/" + "x" * 2048, "length"),
        ("", "characters"),
    ],
)
async def test_what_is_no_url_of_a_public_server_is_refused_by_its_rule(url: str, expected: str) -> None:
    names = Names(example_com=[[PUBLIC]])
    assert await rule(url, names) == expected
    assert names.asked == []


async def test_a_name_is_taken_with_all_its_addresses() -> None:
    target = await targets(Names(example_com=[[PUBLIC, PUBLIC_6, PUBLIC]])).check("https://example.com/hook?x=1")
    assert target.addresses == (PUBLIC, PUBLIC_6)
    found = await Pinned(target).resolve("whatever.example", 443)
    assert [row["host"] for row in found] == [PUBLIC, PUBLIC_6]


@pytest.mark.parametrize(
    "answer", [["10.0.0.1"], [PUBLIC, "127.0.0.1"], [PUBLIC, PUBLIC_6, "fe80::1%eth0"], ["::ffff:10.0.0.1"], []]
)
async def test_a_name_with_any_address_that_is_not_public_is_refused(answer: list[str]) -> None:
    assert await rule("https://example.com/", Names(example_com=[answer])) == "name"


async def test_a_name_inside_and_one_that_does_not_exist_are_told_apart_by_nobody() -> None:
    said = []
    for names in (Names(db_internal=[["10.0.0.5"]]), Names()):
        with pytest.raises(TargetRefused) as caught:
            await targets(names).check("https://db.internal/")
        said.append((caught.value.message, caught.value.extra))
    assert said[0] == said[1]
    assert "10.0.0.5" not in said[0][0]


async def test_a_name_that_changes_its_mind_is_refused_at_the_call() -> None:
    names = Names(example_com=[[PUBLIC], ["169.254.169.254"]])
    checked = targets(names)
    await checked.check("https://example.com/")
    with pytest.raises(TargetRefused):
        await checked.check("https://example.com/")


async def test_an_allowed_network_is_called_all_the_same_but_no_metadata_in_it() -> None:
    allowed: dict[str, Any] = {"allowed_networks": ("127.0.0.0/8", "169.254.0.0/16", "10.1.0.0/16")}
    checked = targets(Names(box_internal=[["10.1.2.3"]]), **allowed)
    for url in ("https://127.0.0.1/", "https://[::ffff:127.0.0.1]/", "https://box.internal/", "https://169.254.1.1/"):
        await checked.check(url)
    assert await rule("https://169.254.169.254/", **allowed) == "metadata"
    assert await rule("https://10.2.0.1/", **allowed) == "private"
    assert await rule("https://[::1]/", **allowed) == "loopback"


async def test_a_look_up_that_hangs_is_given_up_and_refuses_nobodys_name() -> None:
    class Hanging(Names):
        async def __call__(self, host: str, port: int, tenant: str) -> Sequence[str]:
            await SystemClock().sleep(60)
            return []

    with pytest.raises(Overloaded) as caught:
        await targets(Hanging(), connect_timeout_s=0.05).check("https://example.com/")
    assert caught.value.retry_after_s == LOOK_UP_AGAIN_S


async def test_the_systems_own_resolver_finds_this_machine_and_says_when_there_is_nothing() -> None:
    system = Targets(WebhookSettings(), clock=SystemClock())
    target = await system.check("http://localhost:8105/webhooks")
    assert "127.0.0.1" in target.addresses or "::1" in target.addresses
    with pytest.raises(TargetRefused):
        await system.check("http://nothing.invalid/")


def test_the_profiles_allow_what_they_say(monkeypatch: pytest.MonkeyPatch) -> None:
    key = {"sha256": "0" * 64, "tenant": "acme", "user": "alice"}
    own = {"secret": "whsec_b3duIHNlY3JldCBvZiB0aGlzIGRlcGxveW1lbnQ="}
    live = load(profile="live", keys=[key], telemetry={"pseudonym_key": "a secret of ours"}, webhooks=own).webhooks
    assert (live.http, live.allowed_networks, live.allowed_ports) == (False, (), (443, 8443))
    assert load().webhooks.allowed_networks == ("127.0.0.0/8", "::1/128")
