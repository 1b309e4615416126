"""What every index keeps although it has run out: events of people who are kept, and what came later."""

from __future__ import annotations

from sinks.ports.expiry import Expired, RunOut
from sinks.ports.lineage import Span
from tests.contract.test_index_expire import CHAT, NARROW, WEB, held, spans
from tests.support.index import Index, Row, moment, token


def test_whoever_is_kept_is_left_alone(index: Index) -> None:
    """By every token of theirs; and so is their neighbour in the same event, since its record stays: elsewhere not."""
    index.write([Row(1, 0, WEB), Row(2, 0, WEB, role=2), Row(3, 1, WEB), Row(4, 2, WEB), Row(1, 4, WEB)])
    assert index.expirer.expire([RunOut(WEB.id, moment(1))], spans(2, 4, 9)) == Expired(2, 0)
    assert held(index, range(5)) == {(1, WEB.id, 1), (2, WEB.id, 1), (4, WEB.id, 1)}


def test_whoever_is_kept_is_so_in_their_time_alone(index: Index) -> None:
    """An address is another's before and after, and behind another port."""
    index.write(
        [
            *(Row(1, at, WEB, at=at) for at in range(4)),
            Row(1, 4, WEB, at=2, port=80),
            Row(2, 1, WEB, at=1, role=2),
            Row(2, 3, WEB, at=3, role=2),
        ]
    )
    kept = [Span(token(1), moment(1), moment(3), port_to=10), Span(token(2), moment(0), moment(1))]
    assert index.expirer.expire([RunOut(WEB.id, moment(9))], kept) == Expired(4, 0)
    assert held(index, range(5)) == {(1, WEB.id, 2), (2, WEB.id, 1)}
    assert index.expirer.expire([RunOut(WEB.id, moment(9), NARROW)], kept) == Expired(0, 0)


def test_what_came_later_is_left_for_the_next_time(index: Index) -> None:
    """By the moment at which the index had it: of each partition, and of what was unreadable at first."""
    index.write([Row(1, 0, WEB), Row(1, 0, WEB, partition=1)], now=moment(0))
    index.write([Row(1, 2, WEB), Row(2, 2, WEB, partition=1), Row(3, 0, CHAT)], now=moment(2))
    run_out = [RunOut(WEB.id, moment(9)), RunOut(CHAT.id, moment(9))]
    assert index.expirer.expire(run_out, known_at=moment(-1)) == Expired()
    assert index.expirer.expire(run_out, known_at=moment(1)) == Expired(2, 0)
    assert held(index, range(5)) == {(1, WEB.id, 1), (2, WEB.id, 1), (3, CHAT.id, 1)}
    narrowing = [RunOut(WEB.id, moment(9), NARROW)]
    assert index.expirer.expire(narrowing, known_at=moment(1)) == Expired()
    assert index.expirer.expire(narrowing, known_at=moment(2)) == Expired(0, 2)
