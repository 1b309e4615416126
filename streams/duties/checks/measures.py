"""Which measures of security each system names that holds anything. Whether they work is not seen by this."""

from __future__ import annotations

from collections.abc import Iterator

from schemas.tags import TagSet
from streams.duties.check import Check, Checked, Looking
from streams.duties.held import Wrong, by_tags


def measures_of_systems(looking: Looking) -> Checked:
    """Systems with data that the catalogue lacks, or that name no measure of one of the kinds there are."""
    catalogue = looking.company.catalogue
    kinds = sorted({item.kind for item in catalogue.measures.values()})

    def wrong(tags: TagSet) -> Iterator[Wrong]:
        system = catalogue.systems.get(tags.system)
        if system is None:
            yield tags.system or "none", f"Data are held in {tags.system or 'no system'}, which no list has."
            return
        named = {catalogue.measures[name].kind for name in system.measures if name in catalogue.measures}
        for kind in kinds:
            if kind not in named:
                yield (
                    f"{system.id}/{kind}",
                    f"Data are held in {system.id}, which names no {kind} measure of security.",
                )

    return by_tags(looking, wrong)


CHECKS = (
    Check(
        "measures_of_systems",
        "Every system that holds anything names its measures of security.",
        "GDPR Art. 30(1)(g), 32",
        measures_of_systems,
    ),
)
