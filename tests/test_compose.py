"""docker-compose.yml and the Dockerfile against the code: ports, commands, environment, Valkey's options."""

from typing import Any

import pytest
import yaml

from dashboard.collector.__main__ import parse as parse_collector
from door import parts, plan, ports, up, valkey
from door.home import ROOT
from door.part import Part
from door.up import parser
from loadtests.simulator.__main__ import parse as parse_simulator

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
PLAN = plan.make(parser().parse_args([]), {})
PARTS = parts.all_parts(PLAN)


def flags(words: list[str]) -> dict[str, str]:
    """`--name value` pairs after the program."""
    start = next((place for place, word in enumerate(words) if word.startswith("--")), len(words))
    return dict(zip(words[start::2], words[start + 1 :: 2], strict=True))


def test_the_containers_are_the_parts_of_up() -> None:
    assert list(SERVICES) == [part.name for part in PARTS]


@pytest.mark.parametrize("part", [part for part in PARTS if part.name != "valkey"], ids=lambda part: part.name)
def test_each_process_is_started_as_up_starts_it_but_listens_on_all_of_its_container(part: Part) -> None:
    command = SERVICES[part.name]["command"]
    assert command[:3] == ["python", *part.argv[1:3]]
    inside = {"--host": "0.0.0.0"} if part.name != "worker" else {}  # noqa: S104 - it listens on nothing
    inside |= {"--data": "/data"} if part.name == "collector" else {}
    assert flags(command) == {**flags(list(part.argv)), **inside}


def test_the_collector_understands_its_command_and_its_data_outlive_the_container() -> None:
    understood = parse_collector(SERVICES["collector"]["command"][3:])
    assert str(understood.data) == "/data"
    assert SERVICES["collector"]["volumes"] == ["collector:/data"]
    assert "collector" in COMPOSE["volumes"]


def test_the_simulator_understands_its_command() -> None:
    understood = parse_simulator(SERVICES["simulator"]["command"][3:])
    assert understood.host == "0.0.0.0"  # noqa: S104
    assert understood.control_port == 8100


def test_valkey_has_the_options_of_the_embedded_one() -> None:
    command = SERVICES["valkey"]["command"]
    assert flags(command) == {
        **{f"--{name}": value for name, value in valkey.OPTIONS.items()},
        "--protected-mode": "no",
    }


@pytest.mark.parametrize("name", SERVICES)
def test_every_port_of_the_table_is_published_on_loopback_only(name: str) -> None:
    published = [entry.split(":") for entry in SERVICES[name].get("ports", [])]
    wanted = [port for port in ports.TABLE if port.part == name]
    inside = [6379] if name == "valkey" else [port.default for port in wanted]
    assert published == [
        [ports.LOOPBACK, str(port.default), str(number)] for port, number in zip(wanted, inside, strict=True)
    ]


@pytest.mark.parametrize("name", ["service", "worker"])
def test_the_service_and_its_worker_are_told_what_up_tells_them_with_the_containers_names(name: str) -> None:
    told = parts.service_environment(PLAN)
    del told["GAUNTLET_AGENT__CHECKPOINTS"]
    if name == "worker":  # the only one that opens them
        told["GAUNTLET_AGENT__CHECKPOINTS"] = "sqlite:/data/checkpoints.sqlite"
        assert SERVICES[name]["volumes"] == ["agent:/data"]
    host = {str(port.default): f"{port.part}:{port.default}" for port in ports.TABLE} | {"6390": "valkey:6379"}
    for number, address in host.items():
        told = {name: value.replace(f"{ports.LOOPBACK}:{number}", address) for name, value in told.items()}
    receiver = {"GAUNTLET_WEBHOOKS__ALLOWED_NETWORKS": '["127.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"]'}
    at_start = {up.AT_START: "true"} if name == "service" else {}
    assert SERVICES[name]["environment"] == {**told, **receiver, **at_start}  # the receiver is in docker's own network


def test_the_dashboard_is_told_what_up_tells_it_with_the_containers_names() -> None:
    told = parts.dashboard_environment(PLAN)
    for port in ports.TABLE:
        told = {
            name: value.replace(f"{ports.LOOPBACK}:{port.default}", f"{port.part}:{port.default}")
            for name, value in told.items()
        }
    assert SERVICES["dashboard"]["environment"] == {**told, "GAUNTLET_RUNS": "/data/runs"}
    assert SERVICES["dashboard"]["volumes"] == ["runs:/data"]


def test_a_container_gets_the_time_that_up_gives_it_to_end() -> None:
    for name in ("service", "worker", "collector", "dashboard"):
        assert SERVICES[name]["stop_grace_period"] == f"{Part.stop_s:g}s"


def test_the_image_installs_from_the_lock_by_hash_and_does_not_run_as_root() -> None:
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    assert any("--require-hashes -r requirements.lock" in line for line in lines)
    assert lines[-1].startswith("USER ")
    assert {".git", ".venv", ".gauntlet"} <= set((ROOT / ".dockerignore").read_text().split())
