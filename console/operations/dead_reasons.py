"""Why a message is a dead letter, or still is one after a retry: every code in one sentence, with what to do. Pure.

The list in `docs/dead-letters.md` is this one.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from schemas.counted import one
from streams.feeds.lines import reasons as feeds
from streams.tagging.decode.schema_lookup import NOUNS

_SCHEMA = "The schema names {} that the catalogue does not know; mend one of the two, then retry."

OF_MESSAGES: Mapping[str, str] = MappingProxyType(
    {
        "bad_assignment": "Times or ports of the report contradict each other; its source has to be mended.",
        "decode_crashed": "The decoder crashed over the body, in a process of its own; see who wrote it.",
        "decode_given_up": "Bodies of this schema took too long to fail, so that this one was not tried; retry it.",
        "decode_limit": "The body is nested deeper, or holds more, than an event may.",
        "decode_unavailable": "No process could be started to decode it; see the memory of the machine, then retry.",
        "empty_payload": "The message has no body.",
        "ended_process": "It ended the tagger, more than once; see the log before you name it for a retry (--at).",
        "future_time": "It is dated after now: a clock is wrong; correct the time and send it again.",
        "invalid_identifier": "An identifier has not the form of its kind; its source has to be mended.",
        "malformed_body": "The body is not what its schema says, or no JSON object (also: empty); see who wrote it.",
        "malformed_id": "An id of the request or receipt has not its form; see who wrote it.",
        "not_canonical": "The body is not as its schema would be written; see who wrote it.",
        "oversized": "It is larger than an event may be; its payload stays on its own topic only.",
        "request_cannot_be": "The request has a type or a day of receipt that cannot be; see who wrote it.",
        "request_too_large": "More is sealed in the request than anybody gives; see who wrote it.",
        "schema_refused": "The schema of the message breaks a rule, which `innsyn doctor` names; mend it, then retry.",
        "schema_too_large": "The schema of the message is larger or deeper than one may be; mend it, then retry.",
        "step_failed": "A fault of innsyn broke the step of a request; the log says where. Retry after an update.",
        "tagging_failed": "A fault of innsyn broke its tagging; the log says where. Retry after an update.",
        "time_out_of_range": "Its time is before 1990 or in no calendar (seconds for milliseconds?); mend its source.",
        "too_many_links": "Its arrays link more identifiers than one event may; its source has to send it in parts.",
        "trailing_bytes": "Bytes follow the body: is it of another version than its frame names? See who wrote it.",
        "truncated": "It breaks off before its end; its source has to send it again.",
        "unannotated_schema": "The schema lacks annotations; `innsyn schema check` names them; mend it, then retry.",
        "unexpected_record": "The message is of another record than its topic is for; see who wrote it.",
        "unexplained_privacy_change": "The schema says less of people than the committed one, and not why; then retry.",
        "unknown_framing": "It has no frame: JSON, a container file, a bare body? See docs/producers.md.",
        "unknown_request": "The receipt is about a request that is not here; see who wrote it, or retry it later.",
        "unknown_schema": "Its schema is in no registry and no file; see `innsyn schema fingerprint`, mend, retry.",
        "unnamed_deletion": "The source deleted something and does not say whose; mend that, then replay the topic.",
        "unopened": "The key of the request is not here, or another sealed it; restore it and retry, or drop it.",
        "unreadable_batch": "Its batch cannot be unpacked within bounds; its payload stays on its own topic only.",
        "unsupported_prefix": "The delegated prefix is none that is followed; its source has to be mended.",
        **{f"unknown_{noun.replace(' ', '_')}": _SCHEMA.format(one(noun)) for noun in NOUNS},
    }
)
"""Reasons of messages from Kafka."""
OF_RETRIES: Mapping[str, str] = MappingProxyType(
    {
        "no_key": "The key that sealed it is not in the keyring: destroyed, or never here (INNSYN_KEYS_DIR).",
        "not_tagged": "Nothing here reads what it came from; a feed's file is read again with `innsyn ingest`.",
        "payload_gone": "Its payload is on no topic any more, or was too large to be kept.",
    }
)
"""Why a letter could not even be tried again."""


def meaning(reason: str, topic: str | None = None) -> str:
    """A code in one sentence; the code itself for one that another version wrote.

    `topic`: where the letter is from, a topic of Kafka or the label of a feed: some words are used of both.
    """
    of_feed = topic is not None and ":" in topic
    lists = (feeds.EXPLANATIONS, OF_MESSAGES) if of_feed else (OF_MESSAGES, OF_RETRIES, feeds.EXPLANATIONS)
    return next((found[reason] for found in lists if reason in found), reason)
