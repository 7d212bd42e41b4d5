"""What the service is set to in tests: shorter times, and a route for each thing that they try with streams."""

COOLDOWN_S = 2.0
IDLE_S = 0.6

QUICK = f"""
# Times shortened so that tests need not wait; everything else as it ships.
[breaker]
cooldown_s = {COOLDOWN_S}
[retry]
base_s = 0.05
budget_capacity = 1000
[providers.anthropic]
idle_timeout_s = {IDLE_S}
[providers.openai]
idle_timeout_s = {IDLE_S}
[sessions]
idempotency_lease_s = 1.5
[payments]
deadline_s = 6
"""
_RUNGS = (
    '[[routes.NAME.rungs]]\nprovider = "anthropic"\nmodel = "claude-opus-4-7"\n',
    '[[routes.NAME.rungs]]\nprovider = "openai"\nmodel = "gpt-5.5"\n',
)
ROUTES = "".join(
    f'[routes.{alias}]\nbroken_stream = "{policy}"\n' + "".join(rungs).replace("NAME", alias)
    for policy in ("restart", "error", "buffer")
    for alias, rungs in ((policy, _RUNGS), (f"{policy}_openai_first", _RUNGS[::-1]))
)
"""A route per policy for broken streams, and each again with the providers the other way round."""
ROUTES += "[routes.brief]\ndeadline_s = 1\n" + "".join(_RUNGS).replace("NAME", "brief")

AT_ONCE = {
    "OTEL_BSP_SCHEDULE_DELAY": "100",
    "OTEL_BLRP_SCHEDULE_DELAY": "100",
    "OTEL_METRIC_EXPORT_INTERVAL": "250",
}
"""Telemetry leaves sooner than by default, so that tests need not wait for it."""
