"""API keys: demo keys in the workbench, hashed keys everywhere, and clear words for the rest."""

import hashlib

import pytest

from service.errors import Forbidden, Unauthorized
from service.gateway.auth import Auth, Caller, require_admin
from service.observability.pii import pseudonym
from service.settings import load

REAL = {"sha256": hashlib.sha256(b"sk-real").hexdigest(), "tenant": "acme", "user": "carol"}
BOSS = {"sha256": hashlib.sha256("schlüssel".encode()).hexdigest(), "tenant": "ops", "user": "root", "admin": True}


@pytest.fixture
def workbench() -> Auth:
    return Auth(load(keys=[REAL, BOSS]))


@pytest.fixture
def live() -> Auth:
    own = {"secret": "whsec_b3duIHNlY3JldCBvZiB0aGlzIGRlcGxveW1lbnQ="}
    return Auth(
        load(profile="live", keys=[REAL, BOSS], telemetry={"pseudonym_key": "a secret of the test"}, webhooks=own)
    )


@pytest.mark.parametrize(
    ("key", "caller"),
    [
        ("demo-alice", Caller("acme", "alice")),
        ("demo-bob", Caller("globex", "bob")),
        ("demo-admin", Caller("ops", "admin", admin=True)),
        ("demo-initech-peter", Caller("initech", "peter")),
        ("demo-A_1-b_2", Caller("A_1", "b_2")),
        ("sk-real", Caller("acme", "carol")),
        ("schlüssel".encode().decode("latin-1"), Caller("ops", "root", admin=True)),  # as HTTP brings its bytes
    ],
)
def test_a_key_names_its_user_and_tenant(workbench: Auth, key: str, caller: Caller) -> None:
    assert workbench.caller(f"Bearer {key}") == caller


@pytest.mark.parametrize("name", ["4111111111111111", "078_05_1120", "5550101234"])
def test_a_demo_key_that_names_somebody_by_a_number_has_callers_with_a_pseudonym(workbench: Auth, name: str) -> None:
    by_tenant, by_user = workbench.caller(f"Bearer demo-{name}-alice"), workbench.caller(f"Bearer demo-acme-{name}")
    assert (by_tenant.user, by_user.tenant) == ("alice", "acme")
    assert by_tenant.tenant == by_user.user == f"u-{pseudonym('workbench', name)}"
    assert workbench.caller(f"Bearer demo-{name}-alice") is by_tenant


def test_a_configured_user_may_be_an_email_address_and_is_not_told_as_one() -> None:
    key = {**REAL, "tenant": "jane@example.com", "user": "jane.doe@example.com"}
    caller = Auth(load(keys=[key], telemetry={"pseudonym_key": "a secret"})).caller("Bearer sk-real")
    assert caller == Caller(
        f"u-{pseudonym('a secret', key['tenant'])}", f"u-{pseudonym('a secret', key['user'])}", admin=False
    )


def test_demo_callers_are_remembered_and_their_number_is_bounded(
    workbench: Auth, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.gateway.auth.MOST_DEMO_CALLERS", 10)
    for number in range(50):
        assert workbench.caller(f"Bearer demo-acme-user{number}") == Caller("acme", f"user{number}")
        assert workbench.caller("Bearer demo-admin").admin
    assert len(workbench._demo_callers) <= 10


@pytest.mark.parametrize("header", ["bearer sk-real", "BEARER sk-real", "Bearer   sk-real", "Bearer sk-real "])
def test_the_scheme_has_no_case_and_spaces_do_not_matter(workbench: Auth, header: str) -> None:
    assert workbench.caller(header).user == "carol"


@pytest.mark.parametrize("header", [None, ""])
def test_no_key_is_told_how_to_send_one(workbench: Auth, live: Auth, header: str | None) -> None:
    with pytest.raises(Unauthorized, match=r"Authorization: Bearer KEY.*demo-alice"):
        workbench.caller(header)
    with pytest.raises(Unauthorized) as caught:
        live.caller(header)
    assert "demo" not in caught.value.message


@pytest.mark.parametrize("header", ["Basic YTpi", "sk-real", "Bearer", "Bearer ", "Bearersk-real", " "])
def test_another_form_is_told_which_form_it_should_have(workbench: Auth, header: str) -> None:
    with pytest.raises(Unauthorized, match="not of the form 'Bearer KEY'"):
        workbench.caller(header)


@pytest.mark.parametrize(
    "key",
    [
        "sk-other",
        "demo-carol",
        "demo-acme-",
        "demo--alice",
        "demo-a-b-c",
        "demo-acme-al ice",
        "demo-acme-ali{ce}",
        f"demo-acme-{'x' * 65}",
        "demo-acme-alice\nx",
        REAL["sha256"],
        "\udcff",
    ],
)
def test_an_unknown_key_is_refused_and_never_repeated_to_the_caller(workbench: Auth, key: str) -> None:
    with pytest.raises(Unauthorized, match="not known") as caught:
        workbench.caller(f"Bearer {key}")
    assert key not in caught.value.message


@pytest.mark.parametrize("key", ["demo-alice", "demo-admin", "demo-acme-alice"])
def test_the_live_profile_never_opens_to_a_demo_key(live: Auth, key: str) -> None:
    with pytest.raises(Unauthorized):
        live.caller(f"Bearer {key}")
    assert live.caller("Bearer sk-real").user == "carol"


def test_admins_pass_and_others_are_forbidden() -> None:
    require_admin(Caller("ops", "root", admin=True))
    with pytest.raises(Forbidden, match="admin key"):
        require_admin(Caller("acme", "alice"))
