"""The plan and the parts: what flags, environment and gauntlet.toml make of one run."""

import argparse
from pathlib import Path

import pytest

from door import home, parts, plan, ports
from door.errors import UsageError
from door.up import parser

CHECKPOINTS = f"sqlite:{home.ROOT / '.gauntlet' / 'agent' / 'checkpoints.sqlite'}"


def made(*flags: str, **environ: str) -> plan.Plan:
    return plan.make(parser().parse_args(flags), environ)


def test_the_service_is_told_where_everything_is() -> None:
    told = parts.service_environment(made("--anthropic-port", "9101"))
    assert told == {
        "REDIS_URL": "redis://127.0.0.1:6390/0",
        "GAUNTLET_PROFILE": "workbench",
        "GAUNTLET_PROVIDERS__ANTHROPIC__BASE_URL": "http://127.0.0.1:9101",
        "GAUNTLET_PROVIDERS__OPENAI__BASE_URL": "http://127.0.0.1:8102/v1",
        "GAUNTLET_PAYMENTS__BASE_URL": "http://127.0.0.1:8103",
        "GAUNTLET_RETRIEVAL__EMBEDDINGS__BASE_URL": "http://127.0.0.1:8104/v1",
        "GAUNTLET_RETRIEVAL__RERANK__BASE_URL": "http://127.0.0.1:8104/v1",
        "GAUNTLET_AGENT__CHECKPOINTS": CHECKPOINTS,
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318",
    }


def test_an_address_that_a_person_configured_stays() -> None:
    told = parts.service_environment(made(GAUNTLET_PROVIDERS__OPENAI__BASE_URL="http://127.0.0.1:11434/v1"))
    assert "GAUNTLET_PROVIDERS__OPENAI__BASE_URL" not in told


def test_the_live_profile_has_nothing_to_do_with_the_simulator() -> None:
    told = parts.service_environment(made("--profile", "live"))
    assert told == {
        "REDIS_URL": "redis://127.0.0.1:6390/0",
        "GAUNTLET_PROFILE": "live",
        "GAUNTLET_AGENT__CHECKPOINTS": CHECKPOINTS,
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318",
    }


@pytest.mark.parametrize("signal", ["", "TRACES_", "METRICS_", "LOGS_"])
def test_whoever_sends_telemetry_elsewhere_is_not_overruled(signal: str) -> None:
    told = parts.service_environment(made(**{f"OTEL_EXPORTER_OTLP_{signal}ENDPOINT": "http://127.0.0.1:9999"}))
    assert "OTEL_EXPORTER_OTLP_ENDPOINT" not in told


def test_other_variables_of_telemetry_do_not_move_it() -> None:
    told = parts.service_environment(made("--collector-port", "9318", OTEL_EXPORTER_OTLP_COMPRESSION="gzip"))
    assert told["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://127.0.0.1:9318"


def test_the_collector_is_started_first_and_nobody_waits_for_it() -> None:
    first, *others = parts.all_parts(made())
    assert first.name == "collector"
    assert first.needs == ()
    assert all("collector" not in part.needs for part in others)


def test_a_relative_configuration_file_counts_from_where_the_person_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.toml").write_text("workers = 3\n")
    monkeypatch.chdir(tmp_path)
    chosen = made(GAUNTLET_CONFIG="mine.toml")
    assert chosen.workers == 3
    assert parts.service_environment(chosen)["GAUNTLET_CONFIG"] == str(tmp_path / "mine.toml")


def test_the_configuration_file_is_weaker_than_a_variable_which_is_weaker_than_a_flag(tmp_path: Path) -> None:
    file = tmp_path / "gauntlet.toml"
    file.write_text('profile = "bench"\nworkers = 3\nservice_port = 9000\nredis_url = "redis://file:1/0"\n')
    chosen = made("--workers", "5", GAUNTLET_CONFIG=str(file), GAUNTLET_SERVICE_PORT="9001")
    assert (chosen.profile, chosen.workers, chosen.ports["service"]) == ("bench", 5, 9001)
    assert chosen.redis_url == "redis://file:1/0"


def test_an_address_in_the_configuration_file_stays(tmp_path: Path) -> None:
    file = tmp_path / "gauntlet.toml"
    file.write_text('[providers.openai]\nbase_url = "http://127.0.0.1:11434/v1"\n')
    assert "GAUNTLET_PROVIDERS__OPENAI__BASE_URL" not in parts.service_environment(made(GAUNTLET_CONFIG=str(file)))


def test_a_configuration_file_that_is_no_toml_is_refused_with_its_place(tmp_path: Path) -> None:
    file = tmp_path / "gauntlet.toml"
    file.write_text("workers = = 3")
    with pytest.raises(UsageError, match=r"gauntlet\.toml cannot be read: .*line 1"):
        made(GAUNTLET_CONFIG=str(file))


@pytest.mark.parametrize(
    ("variable", "given", "complaint"),
    [
        ("GAUNTLET_PROFILE", "prod", "it is one of workbench, live, bench"),
        ("GAUNTLET_WORKERS", "0", "a number from 1 to 64"),
        ("GAUNTLET_WORKERS", "two", "a number from 1 to 64"),
        ("REDIS_URL", "http://127.0.0.1:6379", "must start with redis://"),
    ],
)
def test_a_wrong_value_is_refused_with_what_is_allowed(variable: str, given: str, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        made(**{variable: given})


def test_with_a_redis_of_ones_own_no_valkey_is_a_part_and_its_port_does_not_matter() -> None:
    chosen = made(REDIS_URL="redis://me:secret@example.com:6379/2")
    assert [part.name for part in parts.all_parts(chosen)] == [
        "collector",
        "simulator",
        "service",
        "worker",
        "dashboard",
    ]
    assert "valkey" not in chosen.ports
    assert chosen.urls()["redis"] == "redis://me:***@example.com:6379/2"
    assert parts.service_environment(chosen)["REDIS_URL"] == "redis://me:secret@example.com:6379/2"


def test_every_port_of_the_table_has_a_flag() -> None:
    known = argparse.ArgumentParser()
    plan.add_flags(known)
    assert {port.flag for port in ports.TABLE} <= set(known._option_string_actions)
