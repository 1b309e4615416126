"""`innsyn migrate`: the sinks, and the topics of a broker that is not ours, come to their current shape."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from console.cli.options import Json
from console.cli.show.output import print_json, screen
from console.wiring.company import company_of
from console.wiring.run_file import broker
from schemas.settings import load_settings
from sinks.open import embedded_folder, every_migration, open_sinks, refuse_if_open
from streams.kafka.topics import create_topics, missing


def migrate(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what is pending and do nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Bring the index to its current shape, and make missing topics where INNSYN_KAFKA_BOOTSTRAP names a broker.

    Safe to repeat. A running `innsyn up` does this itself at start.

    Example: innsyn migrate --dry-run
    """
    settings = load_settings()
    topics = company_of(settings).topics.values()
    folder = embedded_folder(settings)
    refuse_if_open(settings)
    # Both or neither: a broker that is not there is found before the index is changed.
    absent = missing(broker(settings), [topic.name for topic in topics]) if settings.kafka_bootstrap else []
    sinks = open_sinks(settings)
    try:
        if not dry_run:
            found = list(sinks.upkeep.migrate(datetime.now(UTC)))
        elif folder is None or folder.is_dir():
            found = list(sinks.upkeep.pending())
        else:
            # A dry run leaves nothing behind, not even an empty index.
            found = list(every_migration(settings))
    finally:
        sinks.close()
    made = absent
    if absent and not dry_run:
        made = create_topics(broker(settings), topics, settings.kafka_replication_factor)
    if as_json:
        print_json({"dry_run": dry_run, "migrations": found, "topics": made})
        return
    out = screen()
    verb = "pending" if dry_run else "applied"
    for name in found:
        out.print(f"{verb}: {name}")
    for name in made:
        out.print(f"{'missing' if dry_run else 'made'}: topic {name}")
    if not found and not made:
        out.print("Everything is in its current shape.")
