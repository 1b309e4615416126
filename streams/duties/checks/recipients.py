"""Who is given data, by what schemas and contracts declare of what is held. What was given is another matter: see
disclosures."""

from __future__ import annotations

from collections.abc import Iterator

from schemas.tags import TagSet
from streams.duties.check import Check, Checked, Looking
from streams.duties.held import Wrong, by_tags


def recipient_known(looking: Looking) -> Checked:
    """Held data for a recipient that the register of parties lacks."""
    known = looking.company.catalogue.recipients

    def wrong(tags: TagSet) -> Iterator[Wrong]:
        for name in tags.recipients:
            if name not in known:
                yield (
                    f"{tags.topic}/{name}",
                    f"Data on {tags.topic} go to {name}, which is in no register of parties.",
                )

    return by_tags(looking, wrong)


def recipients_under_dpa(looking: Looking) -> Checked:
    """The literal promise that every recipient has a data processing agreement. The law asks less: authorities, bureaux
    and banks are controllers of their own, and then this is broken by design."""
    known = looking.company.catalogue.recipients

    def wrong(tags: TagSet) -> Iterator[Wrong]:
        for name in tags.recipients:
            if name in known and known[name].instrument != "dpa":
                yield (
                    name,
                    f"Data go to {name} by {known[name].instrument}, and not by a data processing agreement.",
                )

    return by_tags(looking, wrong)


CHECKS = (
    Check(
        "recipient_known",
        "Everything that is held goes to recipients of the register alone.",
        "GDPR Art. 30(1)(d)",
        recipient_known,
    ),
    Check(
        "recipients_under_dpa",
        "Every recipient that is declared has a data processing agreement, as the policy says to the letter.",
        "GDPR Art. 28(3)",
        recipients_under_dpa,
    ),
)
