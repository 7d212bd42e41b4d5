"""Settings: where values come from, and what is said when one is wrong."""

import hashlib
from pathlib import Path

import pytest

from service.settings import STAGES, WEBHOOK_SECRET, ConfigurationError, load, provider_key

KEY = {"sha256": hashlib.sha256(b"secret").hexdigest(), "tenant": "acme", "user": "alice"}
OWN = {"pseudonym_key": "a secret of this deployment"}
SIGNING = {"secret": "whsec_b3duIHNlY3JldCBvZiB0aGlzIGRlcGxveW1lbnQ="}
LADDER = {"rungs": [{"provider": "anthropic", "model": "m"}]}


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No configuration of the machine's reaches the tests."""
    monkeypatch.chdir(tmp_path)
    for name in ("GAUNTLET_CONFIG", "REDIS_URL", "ANTHROPIC_API_KEY"):
        monkeypatch.delenv(name, raising=False)


def wrong(**given: object) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load(**given)
    return str(caught.value)


def test_without_any_configuration_the_workbench_starts() -> None:
    settings = load()
    assert (settings.profile, settings.service_host, settings.order) == ("workbench", "127.0.0.1", STAGES)
    assert list(settings.providers) == ["anthropic", "openai"]
    assert settings.accepts_demo_keys


def test_one_figure_of_a_bucket_leaves_the_others_as_they_are() -> None:
    limits = load(rate_limit={"user": {"burst": 3}, "tenant": {"requests_per_min": 7}}).rate_limit
    assert limits.user.model_dump() == {"requests_per_min": 60, "burst": 3, "tokens_per_min": 100_000}
    assert limits.tenant.model_dump() == {"requests_per_min": 7, "burst": 200, "tokens_per_min": 1_000_000}


@pytest.mark.parametrize(
    ("given", "parts"),
    [
        ({"retry": {"attempts": 0}}, ("retry.attempts: ", "greater than or equal to 1", "given 0")),
        ({"retry": {"attempts": "four"}}, ("retry.attempts: ", "integer", "given 'four'")),
        ({"breaker": {"cooldown_s": -1}}, ("breaker.cooldown_s: ", "greater than 0", "given -1")),
        ({"breaker": {"cooldown_s": 10**6}}, ("breaker.cooldown_s: ", "less than or equal to 86400", "given 1000000")),
        ({"store": {"timeout_s": 5}}, ("store.timeout_s: ", "less than or equal to 0.25", "given 5")),
        ({"fallback": {"rung_share": 2}}, ("fallback.rung_share: ", "less than or equal to 1", "given 2")),
        ({"webhooks": {"secret": "secret"}}, ("webhooks.secret: ", "should match pattern", "another value")),
        ({"webhooks": {"allowed_networks": ["10.0.0.1/8"]}}, ("webhooks.allowed_networks.0: ", "host bits set")),
        ({"profile": "prod"}, ("profile: ", "'workbench', 'live' or 'bench'", "given 'prod'")),
        ({"service_port": 70_000}, ("service_port: ", "65535", "given 70000")),
        ({"redis_url": "http://x"}, ("redis_url: ", "redis|rediss|unix", "given 'http://x'")),
        ({"keys": [{**KEY, "sha256": "secret"}]}, ("keys.0.sha256: ", "given 'secret'")),
        (
            {"providers": {"anthropic": {"kind": "cohere"}}},
            ("providers.anthropic.kind: ", "'anthropic' or 'openai'", "given 'cohere'"),
        ),
        ({"routes": {"mine": {"rungs": []}}}, ("routes.mine.rungs: ", "at least 1")),
        (
            {"routes": {"mine": {**LADDER, "broken_stream": "ignore"}}},
            ("routes.mine.broken_stream: ", "'restart', 'error' or 'buffer'", "given 'ignore'"),
        ),
        (
            {"routes": {"mine": {"rungs": [{"provider": "acme", "model": "m"}]}}},
            ("routes.mine: provider 'acme' is none of anthropic, openai",),
        ),
        ({"default_route": "fast"}, ("default_route: 'fast' is none of the routes default, economy",)),
        ({"order": ["cache", "retry"]}, ("order: must name each of cache, rate_limit", "given cache, retry")),
        ({"order": [*STAGES, "cache"]}, ("order: must name each of",)),
        ({"cache": {"keep_s": 10, "fresh_s": 20}}, ("cache.keep_s: must be at least cache.fresh_s",)),
    ],
)
def test_a_wrong_value_names_the_key_what_was_given_and_what_is_allowed(
    given: dict[str, object], parts: tuple[str, ...]
) -> None:
    message = wrong(**given)
    for part in parts:
        assert part in message
    assert "\n" not in message


def test_each_wrong_value_has_a_line_of_its_own() -> None:
    lines = wrong(retry={"attempts": 0, "base_s": -1}, workers=0).splitlines()
    assert [line.split(":")[0] for line in lines] == ["workers", "retry.attempts", "retry.base_s"]


@pytest.mark.parametrize("given", [{"retrys": {}}, {"retry": {"atempts": 3}}, {"routes": {"m": {**LADDER, "rung": 1}}}])
def test_an_unknown_key_is_refused_by_name(given: dict[str, dict[str, object]]) -> None:
    message = wrong(**given)
    assert "unknown key" in message
    assert message.split(":")[0].split(".")[-1] in ("retrys", "atempts", "rung")


def test_the_environment_wins_over_the_file_and_the_file_over_the_profile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gauntlet.toml").write_text('profile = "bench"\nadmission = 7\n[retry]\nattempts = 2\nbase_s = 0.1\n')
    monkeypatch.setenv("GAUNTLET_RETRY__ATTEMPTS", "3")
    settings = load()
    assert (settings.retry.attempts, settings.retry.base_s, settings.retry.cap_s) == (3, 0.1, 2.0)
    assert settings.admission == 7
    assert settings.providers["openai"].bulkhead == 4096, "from the profile that the file names"
    assert load(retry={"attempts": 1}).retry.attempts == 1


def test_one_key_of_a_provider_can_be_changed_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAUNTLET_PROVIDERS__ANTHROPIC__BASE_URL", "http://127.0.0.1:7")
    provider = load().providers["anthropic"]
    assert (provider.base_url, provider.kind) == ("http://127.0.0.1:7", "anthropic")


def test_a_provider_of_ones_own_is_one_more_entry(tmp_path: Path) -> None:
    (tmp_path / "gauntlet.toml").write_text(
        '[providers.ollama]\nkind = "openai"\nbase_url = "http://127.0.0.1:11434/v1"\napi_key_env = "OLLAMA_KEY"\n'
        '[[routes.local.rungs]]\nprovider = "ollama"\nmodel = "llama"\n'
    )
    settings = load()
    assert sorted(settings.providers) == ["anthropic", "ollama", "openai"]
    assert settings.routes["local"].rungs[0].provider == "ollama"


def test_redis_has_its_customary_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAUNTLET_REDIS_URL", "redis://b:1/0")
    assert load().redis_url == "redis://b:1/0"
    monkeypatch.setenv("REDIS_URL", "redis://a:1/0")
    assert load().redis_url == "redis://a:1/0"


def test_a_variable_that_is_no_json_where_json_is_due_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAUNTLET_ROUTES", "{not json")
    assert "routes" in wrong()


def test_a_file_that_does_not_exist_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAUNTLET_CONFIG", "/nowhere.toml")
    assert "GAUNTLET_CONFIG: '/nowhere.toml' is not a file" in wrong()


def test_a_file_that_is_no_toml_is_a_configuration_error(tmp_path: Path) -> None:
    (tmp_path / "gauntlet.toml").write_text("retry = [")
    assert wrong()


def test_the_live_profile_wants_keys_and_refuses_demo_keys() -> None:
    assert wrong(profile="live").startswith("keys: the live profile needs at least one API key")
    assert wrong(profile="live", keys=[KEY], demo_keys=True).startswith("demo_keys: the live profile refuses")
    assert wrong(profile="live", keys=[KEY]).startswith("telemetry.pseudonym_key: the live profile needs a secret")
    assert wrong(profile="live", keys=[KEY], telemetry=OWN).startswith("webhooks.secret: the live profile needs one")
    told = {"webhooks": {**SIGNING, "previous_secret": WEBHOOK_SECRET}}
    assert wrong(profile="live", keys=[KEY], telemetry=OWN, **told).startswith("webhooks.secret: the live profile")
    settings = load(profile="live", keys=[KEY], telemetry=OWN, webhooks=SIGNING)
    assert not settings.accepts_demo_keys
    assert settings.providers["anthropic"].base_url == "https://api.anthropic.com"
    assert settings.providers["openai"].base_url == "https://api.openai.com/v1"


def test_langfuse_has_both_keys_or_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANGFUSE_PUBLIC_KEY", "pk-lf-1")
    assert "LANGFUSE_PUBLIC_KEY and LANGFUSE_SECRET_KEY: set both" in wrong()
    monkeypatch.setenv("LANGFUSE_SECRET_KEY", "sk-lf-1")
    assert load().langfuse_public_key == "pk-lf-1"
    assert "sk-lf-1" not in repr(load())


def test_content_is_captured_only_when_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not load().capture_content
    monkeypatch.setenv("CAPTURE_CONTENT", "true")
    assert load().capture_content


def test_demo_keys_can_be_switched_off_in_the_workbench() -> None:
    assert not load(demo_keys=False).accepts_demo_keys


def test_the_live_profile_gives_vectors_from_afar_their_time() -> None:
    retrieval = load(profile="live", keys=[KEY], telemetry=OWN, webhooks=SIGNING).retrieval
    times_s = (retrieval.deadline_s, retrieval.embeddings.timeout_s, retrieval.embeddings.connect_timeout_s)
    assert times_s == (1.0, 0.5, 0.3)


def test_only_the_live_profile_uses_real_provider_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    live = load(profile="live", keys=[KEY], telemetry=OWN, webhooks=SIGNING)
    with pytest.raises(ConfigurationError, match="ANTHROPIC_API_KEY: the live profile needs"):
        provider_key(live, "ANTHROPIC_API_KEY")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "real")
    assert provider_key(live, "ANTHROPIC_API_KEY") == "real"
    assert provider_key(load(), "ANTHROPIC_API_KEY") == "workbench"


def test_settings_are_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load().workers = 3  # type: ignore[misc]


@pytest.mark.parametrize("stop", [402, "402"])
def test_the_status_of_a_budget_that_stops_may_be_written_as_a_number(stop: object) -> None:
    assert load(budget={"usd_per_day": 5, "stop": stop}).budget.stop == "402"


@pytest.mark.parametrize(
    ("given", "parts"),
    [
        ({"stop": 503}, ("budget.stop: ", "'none', '402' or '429'", "given '503'")),
        ({"usd_per_day": -1}, ("budget.usd_per_day: ", "greater than or equal to 0", "given -1")),
        ({"tenants": {"acme": 1e9}}, ("budget.tenants.acme: ", "less than or equal to 900000")),
        ({"tenants": {"a b": 1}}, ("budget.tenants.a b", "given 'a b'")),
        ({"warn_share": 80}, ("budget.warn_share: ", "less than or equal to 1", "given 80")),
    ],
)
def test_a_budget_that_cannot_be_is_named(given: dict[str, object], parts: tuple[str, ...]) -> None:
    message = wrong(budget=given)
    for part in parts:
        assert part in message


def test_a_budget_may_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAUNTLET_BUDGET__TENANTS", '{"acme": 2.5}')
    monkeypatch.setenv("GAUNTLET_BUDGET__STOP", "429")
    assert (load().budget.tenants, load().budget.stop) == ({"acme": 2.5}, "429")
