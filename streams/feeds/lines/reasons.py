"""Why a record of a feed could not be read, or what is odd about it: every reason in one sentence."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

TOO_LONG = "too_long"
TRUNCATED = "truncated"
TWO_HOLDERS = "two_holders"
NOT_UTF8 = "not_utf8"
END_BEFORE_START = "end_before_start"
AFTER_STOP = "after_stop"
CLOCK_OFF = "clock_off"
FUTURE_TIME = "future_time"
PLACEHOLDER_ADDRESS = "placeholder_address"
PLACEHOLDER_NAME = "placeholder_name"
REALM_KEPT = "realm_kept"
REALM_REMOVED = "realm_removed"
ZONE_ASSUMED = "zone_assumed"
WINDOWS_1252 = "windows_1252"
UTF_16 = "utf_16"
CUT_SHORT = "cut_short"

EXPLANATIONS: Mapping[str, str] = MappingProxyType(
    {
        AFTER_STOP: "It is dated after its session's Stop: it opens nothing and lengthens nothing.",
        "bad_address": "An address is not an IPv4 or IPv6 address.",
        "bad_attribute": "A line of the record is not `Name = value`.",
        "bad_birth_date": "The date of birth is no date.",
        "bad_bytes": "A field of bytes is not base64.",
        "bad_email": "The e-mail address is not one.",
        "bad_fodselsnummer": "The fødselsnummer has not eleven digits.",
        "bad_number": "A number is missing, negative, too large or not a number.",
        "bad_phone": "The phone number is not one.",
        "bad_prefix": "A prefix is not an IPv6 network of at most 128 bits.",
        "bad_quotes": "A quoted field is not closed.",
        "bad_state": "The lease has a state that Kea does not write.",
        "bad_status": "Acct-Status-Type is none of accounting (RFC 2866, section 5.1).",
        "bad_time": "A time is missing, has no zone, is in no calendar, or its clock was not set.",
        "clock_change": "By the clock of its zone the time comes twice, or not at all, on that day.",
        "client_list": "The client is a list of addresses, whose first is only what the client says of itself.",
        CLOCK_OFF: "Dated too far from its arrival, by the bound of its source: taken at arrival less Acct-Delay-Time.",
        "column_count": "The line has not as many columns as the header.",
        "column_twice": "The header names a column twice, so nobody can tell which of them is meant.",
        CUT_SHORT: "The gzip data breaks off: its whole lines were sent, the rest when the file is complete.",
        END_BEFORE_START: "The end lies before the start, or the last port before the first.",
        FUTURE_TIME: "It is dated after now: a clock is wrong; correct the time and send it again.",
        "map_too_small": "The outside addresses have too few port blocks for the inside ones.",
        "missing_attribute": "The session, the status or the server that reports is not named.",
        "missing_value": "A column that must be filled is empty.",
        "no_header": "No header line that names the columns came before.",
        "no_year": "The time has no year: let syslog write ISO 8601 times (RFC 5424).",
        "not_a_port_block": "The line is about a port block, but does not say which one was given to whom.",
        "not_an_object": "The line is JSON, but not an object.",
        "not_combined": "The line is not in Combined Log Format.",
        "not_forensic": "The line is not one of Kea's forensic log.",
        "not_in_schema": "A field is missing, unknown, or has another type than the record's.",
        "not_json": "The line is not JSON.",
        "not_radius_detail": "The record does not start with a date and have attributes below it.",
        NOT_UTF8: "A name or a line is not UTF-8, so nobody can tell which letters are meant.",
        "not_syslog": "The line does not start with a time, as syslog writes it.",
        "other_vendor": "A line of address translation in a form that is not read; a pattern file can describe it.",
        "other_log": "The header says that this is another log.",
        "slow_pattern": "The pattern file's pattern takes more than a second on the line.",
        PLACEHOLDER_ADDRESS: "An address is none, such as 0.0.0.0 or 255.255.255.254: it was left out.",
        PLACEHOLDER_NAME: "A user name names nobody, such as anonymous: it was left out.",
        REALM_KEPT: "A user name has a realm that is not in INNSYN_REALMS: it stays part of the name.",
        REALM_REMOVED: "A user name has a realm of INNSYN_REALMS: it was taken off.",
        TOO_LONG: "A line has more than 1 MiB, or a record more than 1,000 lines.",
        TRUNCATED: "The source ends, or the record begins, in the middle: the rest is not there.",
        TWO_HOLDERS: "Somebody else holds the same at the same time; both were sent, neither is chosen.",
        "unknown_zone": "A time names a zone that is several or none: have it written with UTC or an offset.",
        "unknown_event": "The pattern file does not say what the event's word means.",
        "unknown_lease": "A lease is deleted that this feed has not shown, so it is not known whose.",
        UTF_16: "The source is UTF-16 and was read as that.",
        "which_client": "Two columns may be the client's and the lines do not show which (--client-column).",
        WINDOWS_1252: "The source is not UTF-8 and fits Windows-1252 as a whole: it was read as that.",
        ZONE_ASSUMED: "Times without zone were read as UTC, or as far from it as the log's stamps show (--zone).",
    }
)

# Not what the format looks like at all. Any other reason shows that the format is the right one.
FOREIGN = frozenset(
    (
        "bad_quotes",
        "column_count",
        "no_header",
        "not_an_object",
        "not_combined",
        "not_forensic",
        "not_in_schema",
        "not_json",
        "not_radius_detail",
        "not_syslog",
        NOT_UTF8,
        "other_vendor",
        "other_log",
        TOO_LONG,
        TRUNCATED,
    )
)
