"""Who held what when, as far as one feed has said so: to notice two holders at once.

Nothing is decided here, both are sent on. It only finds the records that contradict each other.
"""

from __future__ import annotations

from dataclasses import dataclass

FOREVER = 1 << 62
EVERY_PORT = (0, 65_535)
# Two servers hand an address over at the same moment, each by its own clock.
_SKEW_MS = 5_000


@dataclass(slots=True)
class _Hold:
    holder: str
    session: str
    ports: tuple[int, int]
    since: int
    until: int
    ended: bool = False
    told: bool = False


class Holders:
    """Times are milliseconds. Of each address the `kept` holds that ended last are remembered.

    `gapless`: a session goes on between two reports of it; else each report says how long it holds.
    """

    def __init__(self, *, kept: int, gapless: bool) -> None:
        self._kept = kept
        self._gapless = gapless
        self._held: dict[str, list[_Hold]] = {}

    def seen(
        self,
        address: str,
        holder: str,
        session: str,
        since: int,
        until: int,
        ports: tuple[int, int] = EVERY_PORT,
    ) -> bool:
        """The session held the address from since to until. True if it is the first sign of a second holder."""
        held = self._held.setdefault(address, [])
        mine = next((hold for hold in held if hold.session == session and self._same(hold, since)), None)
        if mine is None:
            mine = _Hold(holder, session, ports, since, until)
            held.append(mine)
            if len(held) > self._kept:
                held.remove(min(held, key=lambda hold: hold.until))
        else:
            mine.since = min(mine.since, since)
            mine.until = mine.until if mine.ended else max(mine.until, until)
        others = [hold for hold in held if _at_once(mine, hold)] if len(held) > 1 else []
        if not others or (mine.told and all(hold.told for hold in others)):
            return False
        for hold in (mine, *others):
            hold.told = True
        return True

    def ended(self, address: str, session: str, at: int) -> None:
        """The session ended. Nothing if it was never seen."""
        for hold in self._held.get(address, ()):
            if hold.session == session and hold.since <= at and not hold.ended:
                hold.until, hold.ended = min(hold.until, at), True

    def _same(self, hold: _Hold, since: int) -> bool:
        return since <= hold.until or (self._gapless and not hold.ended)


def _at_once(one: _Hold, other: _Hold) -> bool:
    if one.holder == other.holder or one.ports[0] > other.ports[1] or other.ports[0] > one.ports[1]:
        return False
    overlap = min(one.until, other.until) - max(one.since, other.since)
    # Two that began in the same second contradict each other even before either was seen again.
    return overlap > _SKEW_MS or (overlap >= 0 and one.since == other.since)
