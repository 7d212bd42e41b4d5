"""What money, documents and other people's servers are concerned with: refunds, webhooks, jobs, queue and agent.

Next: ``retrieval.py``.
"""

from ipaddress import ip_network
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, field_validator

from .section import Count, Seconds, Section

WEBHOOK_SECRET = "whsec_Z2F1bnRsZXQgd29ya2JlbmNoOiBwdWJsaWMgd2ViaG9vayBrZXkh"  # noqa: S105 - public on purpose
"""The workbench's, which its receiver knows too; anybody can sign with it."""
LOOPBACK_NETWORKS = ("127.0.0.0/8", "::1/128")
"""Where the workbench's own receiver is."""
WebhookSecret = Annotated[str, Field(pattern=r"^whsec_[A-Za-z0-9+/]{32,128}={0,2}$")]
Network = Annotated[str, AfterValidator(lambda given: str(ip_network(given)))]
CHECKPOINT_SCHEMES = ("sqlite",)
"""The savers that ``tracks/checkpoints.py`` knows."""


class PaymentsSettings(Section):
    """The payments provider behind /refund."""

    base_url: str | None = Field(
        "http://127.0.0.1:8103", description="the payments provider; live has none, and no /refund, unless it is set"
    )
    api_key_env: str = Field("PAYMENTS_API_KEY", description="the environment variable that holds its key")
    deadline_s: Seconds = Field(10.0, description="for a refund with all its attempts")
    connect_timeout_s: Seconds = Field(1.0, description="for a connection")
    bulkhead: Count = Field(64, description="calls at once per worker")


class WebhookSettings(Section):
    """Messages to users' own servers: where they may go, how they are signed, how long they are tried."""

    secret: WebhookSecret = Field(
        WEBHOOK_SECRET,
        repr=False,
        description="tenants' signing secrets are derived from it; live needs one of its own",
    )
    previous_secret: WebhookSecret | None = Field(
        None, repr=False, description="the one before, which signs as well until every receiver has the new one"
    )
    http: bool = Field(True, description="take `http://` targets too; in the live profile only `https://`")
    allowed_networks: tuple[Network, ...] = Field(
        LOOPBACK_NETWORKS, description="networks that are not public and may be called all the same; live: none"
    )
    allowed_ports: tuple[Annotated[int, Field(ge=1, le=65_535)], ...] = Field(
        (), description="ports that may be called; none named: any. Live: 443 and 8443"
    )
    tries: Count = Field(15, description="deliveries of one message before it is a dead letter")
    base_s: Seconds = Field(5.0, description="full jitter between tries: U(0, min(cap, base * 2^n))")
    cap_s: Seconds = Field(
        14_400.0, description="longest back-off; with the others some 14 hours at most, 7 on average"
    )
    retry_after_max_s: Seconds = Field(3600.0, description="a longer Retry-After of a receiver counts as this one")
    timeout_s: Seconds = Field(10.0, description="for one try, with look-up and connection")
    connect_timeout_s: Seconds = Field(3.0, description="for the look-up of the name, and for a connection")
    at_once_per_host: Count = Field(2, description="tries at once per receiver and worker; others wait their turn")
    keep_s: float = Field(86_400.0, gt=0, description="how long a delivered message is remembered")
    keep_dead_s: float = Field(7 * 86_400.0, gt=0, description="and a dead letter")


class JobSettings(Section):
    """Long documents analysed, and late answers, in the background."""

    text_max_bytes: Count = Field(2 * 1024 * 1024, description="largest document")
    depth_max: Count = Field(1000, description="jobs that may wait; beyond it 503")
    per_user_max: Count = Field(20, description="unfinished jobs of one user; beyond it 429")
    keep_s: Seconds = Field(86_400.0, description="how long a result is kept")
    part_tokens: Count = Field(2_000, description="a document is read in parts of about so many tokens")
    parts_max: Count = Field(64, description="parts of a document; of a longer one they are larger")
    at_once: Count = Field(4, description="calls at once for one job")
    step_deadline_s: Seconds = Field(30.0, description="for one call with all its attempts")
    deadline_s: Seconds = Field(3600.0, description="a job that has not ended by then fails")
    later_deadline_s: Seconds = Field(3600.0, description="the same for an answer that was promised for later")
    base_s: Seconds = Field(1.0, description="full jitter between tries without success: U(0, min(cap, base * 2^n))")
    cap_s: Seconds = Field(60.0, description="longest of these waits")
    tries: Count = Field(50, description="tries in a row without a step done, after which an analysis fails")
    sweep_s: Seconds = Field(5.0, description="how often a worker looks for jobs whose task was lost")


class QueueSettings(Section):
    """What is done after the answer, by worker processes: ``python -m service.worker``."""

    enabled: bool = Field(True, description="have the endpoints whose work a worker process does")
    redeliver_s: Annotated[float, Field(ge=1, le=3600)] = Field(
        5.0, description="a killed worker's tasks are another's after at most this long"
    )
    at_once: Count = Field(8, description="tasks of each track that a worker process runs at once")


class AgentSettings(Section):
    """The agent that refunds: who must approve, and how long what is kept."""

    orders: Literal["workbench"] | None = Field(
        "workbench", description="the order desk; the workbench's is invented, so live has none, and no /agent"
    )
    approval_above: int = Field(
        5000, ge=0, description="more than this of one order, in minor units, is refunded with an approval alone"
    )
    approval_within_s: Seconds = Field(86_400.0, description="a refund that nobody approves within it is rejected")
    checkpoints: str = Field(
        "sqlite:.gauntlet/agent/checkpoints.sqlite",
        description="where runs stand between two steps: `sqlite:PATH`, for the workers of one host",
    )
    keep_s: float = Field(7 * 86_400.0, gt=0, description="how long a run is kept after its last change")
    lease_s: Seconds = Field(4.0, description="a worker that is not heard of for this long loses its run to another")
    retry_s: Seconds = Field(1.0, description="first wait for a dependency that is away; doubles up to 30 s")
    retry_within_s: Seconds = Field(3600.0, description="after so long with the same step a run fails")

    @field_validator("checkpoints")
    @classmethod
    def _known(cls, given: str) -> str:
        scheme, _, place = given.partition(":")
        if scheme not in CHECKPOINT_SCHEMES or not place:
            known = ", ".join(f"{name}:…" for name in CHECKPOINT_SCHEMES)
            raise ValueError(f"no checkpoints can be kept there; it must be one of {known}, such as sqlite:runs.sqlite")
        return given
