"""The port table: flag over variable over default, free ports, clear refusals."""

import socket

import pytest

from door import holders, ports
from door.errors import UsageError


def test_without_flags_and_variables_the_defaults_hold() -> None:
    assert ports.resolve({}, {}) == {port.name: port.default for port in ports.TABLE}


def test_a_flag_wins_over_the_variable_which_wins_over_the_default() -> None:
    environ = {"GAUNTLET_SERVICE_PORT": "9001", "GAUNTLET_VALKEY_PORT": "9002"}
    numbers = ports.resolve({"service": 9003}, environ)
    assert (numbers["service"], numbers["valkey"], numbers["openai"]) == (9003, 9002, 8102)


def test_zero_gives_each_name_a_free_port_of_its_own() -> None:
    numbers = ports.resolve(dict.fromkeys((port.name for port in ports.TABLE), 0), {})
    assert len(set(numbers.values())) == len(ports.TABLE)
    assert all(number in ports.FREE_RANGE for number in numbers.values())


@pytest.mark.parametrize("given", ["-1", "65536", "http", "8000 ", "８０００", "1e3"])
def test_what_is_no_port_is_refused_with_the_name_of_its_variable(given: str) -> None:
    with pytest.raises(UsageError, match=r"GAUNTLET_VALKEY_PORT is .* a number from 0"):
        ports.resolve({}, {"GAUNTLET_VALKEY_PORT": given})


def test_one_port_for_two_is_refused_with_both_names() -> None:
    with pytest.raises(UsageError, match="8101 is wanted by service and anthropic"):
        ports.resolve({"service": 8101}, {})


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0"])  # noqa: S104  - a stranger may bind there
def test_a_listener_on_loopback_or_on_all_addresses_holds_the_port(address: str) -> None:
    with socket.create_server((address, 0)) as server:
        number = server.getsockname()[1]
        assert ports.is_held(number)
        (holder,) = holders.held({"service": number}, None)
        assert holder.pid
        assert holder.part is None
    assert not ports.is_held(number)
