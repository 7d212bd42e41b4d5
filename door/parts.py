"""The parts of the workbench as data for the supervisor: command lines, environment, order. Read `part.py` next.

The parts know nothing of the door: each takes what it needs as flags and environment variables (design section 1), and
docker-compose.yml starts the same ones.
"""

import os
import re
import sys
from collections.abc import Callable, Mapping

from door import configuration, home, ports, pseudonym, valkey
from door.part import Part
from door.plan import Plan

WATCHERS_RESTARTS = 10
"""Whoever watches may die; what is watched goes on, and is watched again."""
WORKER_RESTARTS = 1000
"""A killed worker's tasks are another's, or its own when it is back; scenarios kill it every few seconds."""
VALKEY_RESTARTS = 10
"""The service promises to live without its state, and to take it up again: design section 3 (Redis killed)."""
VALKEY_REST_S = 3.0
"""A store that is back in a blink would show nothing; a real one, failed over or started anew, takes seconds."""
OTLP_ENDPOINT = re.compile(r"OTEL_EXPORTER_OTLP_(TRACES_|METRICS_|LOGS_)?ENDPOINT")
"""The standard variables that say where telemetry goes: whoever sets one has another place for it."""

WEBHOOK_SECRET = "GAUNTLET_WEBHOOKS__SECRET"  # noqa: S105 - a name
VALKEY_READY = re.compile(rb"Ready to accept connections")


def all_parts(plan: Plan, environ: Mapping[str, str] = os.environ) -> tuple[Part, ...]:
    """The parts of one run, in the order in which they are started; `environ` is the person's environment."""
    state = [] if plan.redis_url else [valkey_part(plan)]
    needs = tuple(part.name for part in state)
    pages = [dashboard_part(plan, environ)] if "dashboard" in plan.ports else []
    service = (service_part(plan, needs), worker_part(plan, needs))
    return (collector_part(plan), *state, simulator_part(plan, environ), *service, *pages)


def python() -> str:
    """What the parts run on: the Python that runs us, or GAUNTLET_PYTHON where the packages are another's (Colab)."""
    return os.environ.get("GAUNTLET_PYTHON") or sys.executable


def collector_part(plan: Plan) -> Part:
    """What watches, with its data in `.gauntlet/collector`: started first, so that it hears the others start."""
    folder = plan.home / home.COLLECTOR
    argv = ("--host", ports.LOOPBACK, "--port", str(plan.ports["collector"]), "--data", str(folder))
    return Part("collector", (python(), "-m", "dashboard.collector", *argv), restarts=WATCHERS_RESTARTS)


def valkey_part(plan: Plan) -> Part:
    """State that outlives the run, in `.gauntlet/valkey`, and a killed server, which comes back with it."""
    folder = plan.home / home.VALKEY
    folder.mkdir(parents=True, exist_ok=True)
    return Part(
        "valkey",
        valkey.command(plan.ports["valkey"], folder),
        ready=VALKEY_READY,
        restarts=VALKEY_RESTARTS,
        rest_s=VALKEY_REST_S,
    )


def simulator_part(plan: Plan, environ: Mapping[str, str]) -> Part:
    """The providers, on a listener each, and the receiver of webhooks, which verifies with the service's secret."""
    flags = [
        word
        for port in ports.TABLE
        if port.part == "simulator"
        for word in (
            "--control-port" if port.name == "simulator" else port.flag,
            str(plan.ports[port.name]),
        )
    ]
    secret = configuration.effective(environ).get(WEBHOOK_SECRET)  # also where gauntlet.toml has it
    environment = {WEBHOOK_SECRET: secret} if secret else {}
    return Part("simulator", (python(), "-m", "loadtests.simulator", *flags), environment)


def service_part(plan: Plan, needs: tuple[str, ...]) -> Part:
    """The system under test."""
    argv = ("--host", ports.LOOPBACK, "--port", str(plan.ports["service"]), "--workers", str(plan.workers))
    return Part("service", (python(), "-m", "service", *argv), service_environment(plan), needs=needs)


def worker_part(plan: Plan, needs: tuple[str, ...]) -> Part:
    """What the service does after its answers, with the service's own configuration."""
    argv = (python(), "-m", "service.worker")
    return Part("worker", argv, service_environment(plan), needs=needs, restarts=WORKER_RESTARTS)


def service_environment(plan: Plan) -> dict[str, str]:
    """What the service is told about the other parts.

    An address that the person configured stays; the live profile has nothing to do with the simulator.
    """
    addresses = {} if plan.profile == "live" else upstreams(plan.url)
    addresses["GAUNTLET_AGENT__CHECKPOINTS"] = f"sqlite:{plan.home / home.AGENT / 'checkpoints.sqlite'}"
    told = {variable: url for variable, url in addresses.items() if variable not in plan.configured}
    if not any(OTLP_ENDPOINT.fullmatch(variable) for variable in plan.configured):
        told["OTEL_EXPORTER_OTLP_ENDPOINT"] = plan.url("collector")
    if plan.config is not None:  # absolute: the part does not run where the person is
        told["GAUNTLET_CONFIG"] = str(plan.config)
    return {"REDIS_URL": plan.state_url, "GAUNTLET_PROFILE": plan.profile, **told}


def dashboard_part(plan: Plan, environ: Mapping[str, str]) -> Part:
    """The pages; they go on without any of the others."""
    argv = ("--host", ports.LOOPBACK, "--port", str(plan.ports["dashboard"]))
    environment = dashboard_environment(plan) | {"GAUNTLET_RUNS": str(plan.home / home.RUNS)}
    if key := configuration.effective(environ).get(pseudonym.VARIABLE):  # also where gauntlet.toml has it
        environment[pseudonym.VARIABLE] = key
    return Part("dashboard", (python(), "-m", "dashboard", *argv), environment, restarts=WATCHERS_RESTARTS)


def dashboard_environment(plan: Plan) -> dict[str, str]:
    """Where the dashboard finds the others, and which profile is watched."""
    urls = {f"GAUNTLET_{name.upper()}_URL": plan.url(name) for name in ("collector", "service", "simulator")}
    return {**urls, "GAUNTLET_RECEIVER_URL": f"{plan.url('webhooks')}/webhooks", "GAUNTLET_PROFILE": plan.profile}


def upstreams(url: Callable[[str], str]) -> dict[str, str]:
    """Variable -> base URL of what the service calls, from the URL of each port name."""
    return {
        "GAUNTLET_PROVIDERS__ANTHROPIC__BASE_URL": url("anthropic"),
        "GAUNTLET_PROVIDERS__OPENAI__BASE_URL": url("openai") + "/v1",
        "GAUNTLET_PAYMENTS__BASE_URL": url("payments"),
        "GAUNTLET_RETRIEVAL__EMBEDDINGS__BASE_URL": url("retrieval") + "/v1",
        "GAUNTLET_RETRIEVAL__RERANK__BASE_URL": url("retrieval") + "/v1",
    }
