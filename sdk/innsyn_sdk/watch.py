"""What a job tells whoever watches it: nobody, a team's own object, or Prometheus.

    from innsyn_sdk.watch import prometheus
    from prometheus_client import start_http_server

    start_http_server(9101)
    RightsJob(["billing.json"], erase, "billing-job.sqlite", watch=prometheus("billing")).run(...)

`prometheus` needs the extra `innsyn-sdk[prometheus]`.
"""

from __future__ import annotations

from typing import Any


class Watch:
    """Told by a job; whoever watches overrides what it wants to know. Called in the job's own thread."""

    def handled(self, kind: str, state: str, seconds: float) -> None:
        """A command was carried out and answered; `kind` as `Command.kind`, `state` of its receipt."""

    def refused(self, reason: str) -> None:
        """A command was not carried out, for a reason of the protocol."""

    def left_alone(self) -> None:
        """A message that is no command."""

    def retried(self) -> None:
        """The store was away; the command is tried again."""

    def partitions(self, count: int) -> None:
        """The job has so many partitions as others begin or end."""


nothing = Watch()


def prometheus(system: str, registry: Any = None) -> Watch:
    """Counts for Prometheus. `registry`: one of prometheus_client; None: its default one."""
    from prometheus_client import REGISTRY, Counter, Gauge, Histogram

    to = registry or REGISTRY
    commands = Counter("innsyn_job_commands", "Commands answered.", ["system", "kind", "state"], registry=to)
    refused = Counter("innsyn_job_refused", "Commands refused.", ["system", "reason"], registry=to)
    alone = Counter("innsyn_job_left_alone", "Messages that were no command.", ["system"], registry=to)
    retries = Counter("innsyn_job_retries", "Tries again, while the store was away.", ["system"], registry=to)
    taken = Histogram("innsyn_job_seconds", "From a command to its answer.", ["system", "kind"], registry=to)
    last = Gauge(
        "innsyn_job_last_answer_seconds", "When a command was answered last.", ["system"], registry=to
    )
    shared = Gauge("innsyn_job_partitions", "Partitions of commands that it has.", ["system"], registry=to)

    class Counted(Watch):
        def handled(self, kind: str, state: str, seconds: float) -> None:
            commands.labels(system, kind, state).inc()
            taken.labels(system, kind).observe(seconds)
            last.labels(system).set_to_current_time()

        def refused(self, reason: str) -> None:
            refused.labels(system, reason).inc()

        def left_alone(self) -> None:
            alone.labels(system).inc()

        def retried(self) -> None:
            retries.labels(system).inc()

        def partitions(self, count: int) -> None:
            shared.labels(system).set(count)

    return Counted()
