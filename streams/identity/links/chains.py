"""Chains of links: an address leads to a user name, the user name to a customer, a customer to the one that goes on.

Each link is followed at the time in which it holds, to a bounded depth. Where a subject has no link of its own the
chain ends with it; a chain that is longer than the bound, or runs in a circle, leads to nobody (UNKNOWN).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from schemas.vocabulary import Proof
from sinks.ports.identity import ALL_PORTS
from streams.identity.links.table import UNKNOWN, Ints, Links, each_of, joined_links

DEPTH = 5
"""Links in a chain at most: public address, inside address, user name, customer, the record it was merged into."""


def chains(links: Links) -> Links:
    """The links with the subject in which each chain ends, cut where the way to it changes.

    Links that prove who paid are left out: a payer may be anybody.
    """
    links = links.where(links.proof != Proof.PAYER.code)
    steps = links.where(
        (links.length == 0) & (links.port_from == ALL_PORTS[0]) & (links.port_to == ALL_PORTS[1])
    )
    steps = steps.where(np.lexsort((steps.since, steps.token)))
    ended = []
    going = links
    for _ in range(DEPTH - 1):
        begin = np.searchsorted(steps.token, going.subject, "left")
        count = np.searchsorted(steps.token, going.subject, "right") - begin
        ended.append(going.where(count == 0))
        going = going.where(count > 0)
        if not len(going):
            break
        going, gaps = _step(going, steps, begin[count > 0], count[count > 0])
        ended.append(gaps)
    else:
        known = np.isin(going.subject, steps.token)
        ended.append(replace(going, subject=np.where(known, UNKNOWN, going.subject)))
    return joined_links(ended)


def _step(going: Links, steps: Links, begin: Ints, count: Ints) -> tuple[Links, Links]:
    """One link further where the subject has one, and what is left of the time where it has none."""
    of, offset = each_of(count)
    step = np.repeat(begin, count) + offset
    since = np.maximum(going.since[of], steps.since[step])
    until = np.minimum(going.until[of], steps.until[step])
    meets = since < until
    of, step, since, until = of[meets], step[meets], since[meets], until[meets]
    further = replace(going.where(of), subject=steps.subject[step], since=since, until=until)
    # Most links lie within one step: only the others can have gaps.
    partly = np.ones(len(going), np.bool_)
    partly[of[(since == going.since[of]) & (until == going.until[of])]] = False
    some = partly[of]
    number = np.cumsum(partly) - 1
    return further, _gaps(going.where(np.flatnonzero(partly)), number[of[some]], since[some], until[some])


def _gaps(going: Links, of: Ints, since: Ints, until: Ints) -> Links:
    """The parts of each link that none of the intervals covers. Intervals sorted by link and begin."""
    # Each link's own begin as an empty interval before the others, its end as one behind them.
    count = len(going)
    owner = np.concatenate([np.arange(count), of, np.arange(count)])
    begins = np.concatenate([going.since, since, going.until])
    ends = np.concatenate([going.since, until, going.until])
    order = np.lexsort((ends, begins, owner))
    owner, begins, ends = owner[order], begins[order], ends[order]
    moments = np.unique(np.concatenate([begins, ends]))
    width = len(moments)
    reached = np.maximum.accumulate(owner * width + np.searchsorted(moments, ends))
    covered = moments[reached % width]
    open_ = np.zeros(len(owner), np.bool_)
    open_[1:] = (owner[1:] == owner[:-1]) & (begins[1:] > covered[:-1])
    at = np.flatnonzero(open_)
    return replace(going.where(owner[at]), since=covered[at - 1], until=begins[at])
