"""Duties of which nothing that innsyn is told today shows whether they are kept. Each says what is missing, and none of
them ever says that it is kept. Whoever brings what is missing takes the line out and writes the check."""

from __future__ import annotations

from functools import partial

from streams.duties.check import Check, Checked, Looking, not_observable

_UNSEEN = (
    (
        "categories_of_products",
        "Only data that belong to a product of the customer are held.",
        "GDPR Art. 5(1)(c)",
        "No event says which products a customer has, and no list which categories a product needs.",
    ),
    (
        "onward_recipients",
        "Whoever a recipient passes data on to is known, and is told of erasure and correction.",
        "GDPR Art. 19, 28(2), (4)",
        "No register says whom recipients pass data on to.",
    ),
    (
        "staff_trained",
        "Everybody who works with rights has been trained.",
        "GDPR Art. 39(1)(b)",
        "No event says who has been trained when.",
    ),
)


def _say(why: str, _: Looking) -> Checked:
    return not_observable(why)


CHECKS = tuple(Check(name, title, citation, partial(_say, why)) for name, title, citation, why in _UNSEEN)
