"""What claims add up to: each rule of sessions, registers, logins and merges."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import numpy as np
import pytest

from schemas.catalogue import load_catalogue
from schemas.vocabulary import Bound, ClaimForm, Mark, Proof
from streams.identity.links.chains import DEPTH, chains
from streams.identity.links.states import links_of
from streams.identity.links.table import UNKNOWN, Links
from streams.identity.spans import moment
from tests.support.said import Claim, at, session, table, token

SOURCES = load_catalogue().identity_sources
REUSE = SOURCES["radius"].reuse_seconds
MISSED = SOURCES["radius"].missed_reports
SILENCE = SOURCES["radius"].silence_seconds or 0
HOUR = 3600.0


def links(*claims: Claim) -> Links:
    return links_of(table(claims), SOURCES)


def held(found: Links, name: str) -> list[tuple[str, float | None, float | None, str]]:
    """(subject, since, until, end) of the links of a token, in order of time; seconds, None for no bound."""
    names = {
        token(other): other
        for other in ("kari", "ola", "siri", "per", "C1", "C2", "C3", "U1", "U2", "in", "A")
    }
    rows: list[tuple[str, float | None, float | None, str]] = []
    for number in np.lexsort((found.subject, found.since)):
        if found.name(int(found.token[number])) != token(name):
            continue
        code = int(found.subject[number])
        subject = "?" if code == UNKNOWN else names[found.name(code)]
        times = (seconds(moment(int(found.since[number]))), seconds(moment(int(found.until[number]))))
        rows.append((subject, *times, Bound.of(int(found.end[number]))))
    return rows


def seconds(time: datetime | None) -> float | None:
    return None if time is None else (time - at(0)).total_seconds()


def bounds(found: Links, name: str) -> tuple[float | None, float | None]:
    (number,) = [n for n in range(len(found)) if found.name(int(found.token[n])) == token(name)]
    return seconds(moment(int(found.earliest[number]))), seconds(moment(int(found.latest[number])))


def test_a_session_with_start_and_stop_is_held_from_one_to_the_other() -> None:
    """The end is stated, half-open."""
    assert held(links(*session("s", "A", "kari", 10, [310], 500)), "A") == [("kari", 10, 500, "stated")]


def test_a_lost_start_is_rebuilt_from_the_session_time() -> None:
    """A Stop alone says when the session began (Acct-Session-Time)."""
    assert held(links(*session("s", "A", "kari", 10, [], 500, opened=False)), "A") == [
        ("kari", 10, 500, "stated")
    ]


def test_a_lost_start_without_session_time_begins_with_the_first_report() -> None:
    """What came before the first report nobody can say."""
    found = links(*session("s", "A", "kari", 10, [300, 600], 700, opened=False, says_since=False))
    assert held(found, "A") == [("kari", 300, 700, "stated")]


def test_a_lost_stop_ends_before_the_next_start_on_the_address() -> None:
    """The end is inferred: between the last report and the next holder's Start, less the time an address rests."""
    found = links(*session("s", "A", "kari", 0, [600, 1200]), *session("t", "A", "ola", 1500, [], 2000))
    assert held(found, "A") == [("kari", 0, 1500 - REUSE, "inferred"), ("ola", 1500, 2000, "stated")]


def test_an_inferred_end_carries_its_bounds() -> None:
    """The last report, and what contradicts a longer session."""
    found = links(*session("s", "B", "kari", 0, [600, 1200]), *session("t", "B2", "ola", 1500, [], 2000))
    assert bounds(found, "B") == (1200, 1200 + MISSED * 600)


def test_a_lost_stop_never_ends_before_the_sessions_own_last_report() -> None:
    """However soon the next holder begins."""
    found = links(*session("s", "A", "kari", 0, [600]), *session("t", "A", "ola", 610, [], 2000))
    assert held(found, "A")[0] == ("kari", 0, 610 - min(REUSE, 10), "inferred")


def test_a_lost_stop_ends_before_the_next_session_of_the_line() -> None:
    """One session at a time on an access line, also when the next one got another address."""
    line = Claim(line="L")
    found = links(
        *session("s", "A", "kari", 0, [600, 1200], like=line),
        *session("t", "B", "kari", 1700, [], 2000, like=line),
    )
    assert held(found, "A") == [("kari", 0, 1700 - REUSE, "inferred")]


@pytest.mark.parametrize(("mark", "end"), [(Mark.OFF, 1400.0), (Mark.ON, 1400.0 - REUSE)])
def test_a_servers_restart_ends_all_its_sessions(mark: Mark, end: float) -> None:
    """Accounting-Off says when, Accounting-On that it was some time before; other servers are not meant."""
    like = Claim(server="nas1")
    found = links(
        *session("s", "A", "kari", 0, [600, 1200], like=like),
        *session("t", "B", "ola", 0, [600, 1200], like=replace(like, server="nas2")),
        Claim(mark=mark, at=1400, server="nas1"),
    )
    assert held(found, "A") == [("kari", 0, end, "inferred")]
    assert held(found, "B") == [("ola", 0, 1200 + MISSED * 600, "inferred")]


def test_a_session_ends_after_missed_reports() -> None:
    """As many of its own report intervals as the catalogue says."""
    found = links(*session("s", "A", "kari", 0, [900, 1800]))
    assert held(found, "A") == [("kari", 0, 1800 + MISSED * 900, "inferred")]


def test_a_session_that_told_its_interval_needs_only_a_start() -> None:
    """Acct-Interim-Interval: by when it is over or reported again."""
    found = links(Claim("A", "kari", 0, Mark.OPEN, group="s", until=300))
    assert held(found, "A") == [("kari", 0, MISSED * 300, "inferred")]


def test_a_session_that_never_reports_ends_after_the_silence_of_its_source() -> None:
    """Nothing is believed for ever."""
    assert held(links(*session("s", "A", "kari", 0)), "A") == [("kari", 0, SILENCE, "inferred")]


def test_an_address_that_changes_in_an_interim_belongs_to_both_in_turn() -> None:
    """The first until the last report that names it, the second from the first one."""
    first = session("s", "A", "kari", 0, [300, 600])
    then = [replace(claim, token="B") for claim in session("s", "A", "kari", 0, [900], 1000, opened=False)]
    found = links(*first, *then)
    assert held(found, "A") == [("kari", 0, 600, "inferred")]
    assert held(found, "B") == [("kari", 900, 1000, "stated")]


def test_a_stop_that_names_no_address_ends_the_one_the_session_had() -> None:
    """RFC 2866 does not ask for the address in a Stop; one for a session that had none is nobody's."""
    claims = session("s", "A", "kari", 0, [300], 400)
    alone = replace(claims[-1], token="", group="t")
    assert held(links(*claims[:-1], replace(claims[-1], token=""), alone), "A") == [
        ("kari", 0, 400, "stated")
    ]
    assert len(links(alone)) == 0


def test_a_session_that_names_an_address_after_its_end_alone_had_none() -> None:
    late = [Claim("", "kari", 300, Mark.CLOSE, group="s"), Claim("A", "kari", 600, group="s")]
    assert len(links(*late)) == 0


def test_whether_a_session_begins_does_not_hang_on_what_others_say() -> None:
    """Its Start speaks of the moment of a Stop whose own Start was lost."""
    lost = Claim("", "", 300, Mark.CLOSE, group="s")
    begun = Claim("A", "kari", 600, Mark.OPEN, group="s", since=300)
    other = Claim("", "", 0, Mark.OPEN, group="t")
    assert held(links(lost, begun), "A") == held(links(other, lost, begun), "A")
    assert len(held(links(lost, begun), "A")) == 1


def test_a_session_number_used_again_is_another_session() -> None:
    """Servers count from one again after a restart: told apart by the session's own beginning."""
    found = links(
        *session("s", "A", "kari", 0, [300], 400),
        *session("s", "A", "kari", 5000, [5300], opened=False),
        *session("s", "A", "kari", 9000, [], 9500),
    )
    assert [row[1:3] for row in held(found, "A")] == [(0, 400), (5000, 9000 - REUSE), (9000, 9500)]


def test_rounded_session_times_do_not_split_a_session() -> None:
    """A start one second after the Start packet is the same one."""
    claims = session("s", "A", "kari", 0, [], 400)
    assert held(links(claims[0], replace(claims[1], since=1)), "A") == [("kari", 0, 400, "stated")]


def test_port_blocks_released_and_given_again_in_one_second_are_two() -> None:
    """The same block of the same subscriber, back to back."""
    block = Claim("A", "kari", 0, Mark.OPEN, group="b", ports=(1024, 2047), source="cgnat")
    turn = [replace(block, at=50, mark=mark) for mark in (Mark.OPEN, Mark.CLOSE)]
    found = links(block, *turn, replace(block, at=90, mark=Mark.CLOSE))
    assert [row[1:] for row in held(found, "A")] == [(0, 50, "stated"), (50, 90, "stated")]


def test_a_lease_ends_when_its_term_is_over() -> None:
    """DHCP: each report says how long it is valid; the next renewal prolongs it."""
    lease = Claim("A", "kari", 0, Mark.OPEN, group="d", until=600, source="dhcp")
    found = links(lease, replace(lease, at=300, until=900, mark=Mark.SEEN))
    assert held(found, "A") == [("kari", 0, 900, "inferred")]


def test_equipment_is_the_customers_until_it_comes_back() -> None:
    """No report is due meanwhile."""
    loan = Claim("A", "C1", 0, Mark.OPEN, group="e", source="equipment")
    assert held(links(loan), "A") == [("C1", 0, None, "open")]
    assert held(links(loan, replace(loan, at=90_000_000, mark=Mark.CLOSE)), "A") == [
        ("C1", 0, 90_000_000, "stated")
    ]


def register(value: str, subject: str, at: float, since: float | None = None, field: str = "email") -> Claim:
    slot = f"{subject}/{field}"
    return Claim(
        value,
        subject,
        at,
        form=ClaimForm.STATE,
        group=slot,
        since=since,
        proof=Proof.HOLDER,
        source="register",
    )


def test_a_register_holds_what_its_newest_entry_says() -> None:
    """An old e-mail ends when the next one is entered, and may become somebody else's."""
    found = links(register("A", "C1", 0), register("B", "C1", 100), register("A", "C2", 200))
    assert held(found, "A") == [("C1", 0, 100, "stated"), ("C2", 200, None, "open")]
    assert held(found, "B") == [("C1", 100, None, "open")]


def test_an_emptied_field_ends_the_link() -> None:
    """Null in the register is a fact too."""
    assert held(links(register("A", "C1", 0), register("", "C1", 100)), "A") == [("C1", 0, 100, "stated")]


def test_a_repeated_entry_changes_nothing() -> None:
    """One link, however often the register says it."""
    found = links(*(register("A", "C1", moment) for moment in (0, 50, 50, 100)))
    assert held(found, "A") == [("C1", 0, None, "open")]


def test_a_correction_with_an_earlier_date_replaces_what_was_entered_before() -> None:
    """Entered on day 200, true since 50: what day 100 said never held after 50."""
    found = links(register("A", "C1", 0), register("B", "C1", 100), register("A", "C1", 200, since=50))
    assert held(found, "A") == [("C1", 0, None, "open")]
    assert held(found, "B") == []


def login(value: str, subject: str, at: float) -> Claim:
    return Claim(value, subject, at, form=ClaimForm.LOGIN, proof=Proof.USER, source="login")


def test_a_cookie_is_whoever_logged_in_last() -> None:
    """From then on, until somebody else logs in; not before."""
    found = links(login("A", "C1", 100), login("A", "C1", 150), login("A", "C2", 300))
    assert held(found, "A") == [("C1", 100, 300, "stated"), ("C2", 300, None, "open")]


def test_two_logins_in_one_moment_leave_both_possible() -> None:
    """Which was first cannot be told."""
    found = links(login("A", "C1", 100), login("A", "C2", 100), login("A", "C2", 300))
    rows = held(found, "A")
    assert sorted(rows[:2]) == [("C1", 100, 300, "stated"), ("C2", 100, 300, "stated")]
    assert rows[2:] == [("C2", 300, None, "open")]


def merge(record: str, into: str, at: float) -> Claim:
    return Claim(
        record, into, at, form=ClaimForm.MERGE, group=f"merge {record}", proof=Proof.HOLDER, source="register"
    )


def test_a_merged_record_is_the_other_one_for_all_time_and_a_split_undoes_it() -> None:
    """It was the same person before anybody noticed, or never was."""
    assert held(links(merge("C1", "C2", 100)), "C1") == [("C2", None, None, "open")]
    assert held(links(merge("C1", "C2", 100), merge("C1", "", 200)), "C1") == []


def test_chains_are_followed_at_the_time_of_each_link() -> None:
    """Address to user name to the customer who had that user name then; to the user name where nobody had it."""
    found = links(
        *session("s", "A", "U1", 0, [], 1000),
        register("U1", "C1", 100, field="username"),
        register("", "C1", 400, field="username"),
        register("U1", "C2", 500, field="username"),
    )
    ended = chains(found)
    assert [row[:3] for row in held(ended, "A")] == [
        ("U1", 0, 100),
        ("C1", 100, 400),
        ("U1", 400, 500),
        ("C2", 500, 1000),
    ]


def test_a_shared_address_leads_through_the_inside_address_to_the_customer() -> None:
    """Public address and port block, inside address, user name, customer, merged customer: the longest chain."""
    block = Claim("A", "in", 0, Mark.OPEN, group="b", ports=(1024, 2047), source="cgnat")
    found = chains(
        links(
            block,
            replace(block, at=1000, mark=Mark.CLOSE),
            *session("s", "in", "U1", 0, [], 600),
            register("U1", "C1", 0, field="username"),
            merge("C1", "C2", 900),
        )
    )
    assert [row[:3] for row in held(found, "A")] == [("C2", 0, 600), ("in", 600, 1000)]


def test_a_circle_of_links_leads_to_nobody() -> None:
    """Two records each merged into the other: the chain is cut, and said to be."""
    found = chains(links(*session("s", "A", "C1", 0, [], 600), merge("C1", "C2", 1), merge("C2", "C1", 2)))
    assert [row[0] for row in held(found, "A")] == ["?"]


def test_a_chain_longer_than_the_bound_leads_to_nobody() -> None:
    """Five links at most."""
    steps = [merge(f"C{number}", f"C{number + 1}", 0) for number in range(1, DEPTH + 1)]
    found = chains(links(*session("s", "A", "C1", 0, [], 600), *steps))
    assert [row[0] for row in held(found, "A")] == ["?"]


def test_a_payer_is_never_followed() -> None:
    """Whoever paid may be anybody."""
    paid = Claim("A", "C1", 0, form=ClaimForm.LOGIN, proof=Proof.PAYER, source="payment")
    assert held(links(paid), "A") == [("C1", 0, None, "open")]
    assert held(chains(links(paid)), "A") == []


def test_no_claims_are_no_links() -> None:
    """Nothing to say."""
    assert len(chains(links())) == 0
