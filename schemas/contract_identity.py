"""What a contract's `identity` may say: which fields link identifiers, over paths. Pure.

The words are those of `schemas.identity`. A rule is read in one place of an event: outside of arrays, or in each item
of one array, where the token and whom it belongs to stand side by side.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from typing import NoReturn

from schemas.annotations import IdentityRule
from schemas.catalogue import Catalogue
from schemas.contract_file import ContractFile, ContractRule, EventTime, check_time
from schemas.errors import CatalogueError
from schemas.paths import ANY, ITEM, item, steps
from schemas.vocabulary import RULE_MARKS, ClaimForm, Proof

MOST_CLAIMS = 128
"""That one event may make: the index tells the claims of an event apart by a number of so many values."""
_OF_A_MARK = ("string", "integer", "boolean")


def identity_rules(said: ContractFile) -> tuple[IdentityRule, ...]:
    """The rules as annotations of a schema have them; `since` names the field."""
    return tuple(
        IdentityRule(**{**rule.model_dump(), "since": rule.since.path if rule.since else None})
        for rule in said.identity
    )


def times_since(said: ContractFile) -> Mapping[str, EventTime]:
    """Of each field that says since when, how it gives the time."""
    return {rule.since.path: rule.since for rule in said.identity if rule.since}


def check_identity(file: str, said: ContractFile, catalogue: Catalogue) -> None:
    """Refuse a rule that says nothing, or not whose. Errors: CatalogueError with file, key and mend."""
    if sum(len(rule.tokens) for rule in said.identity) > MOST_CLAIMS:
        raise CatalogueError(file, "identity", f"links more than {MOST_CLAIMS} fields; leave some out")
    for number, rule in enumerate(said.identity):
        _Rule(file, f"identity.{number}", said, rule, catalogue).check()


class _Rule:
    """One rule while it is looked at. `key`: where in the file it stands."""

    def __init__(
        self, file: str, key: str, said: ContractFile, rule: ContractRule, catalogue: Catalogue
    ) -> None:
        self._file, self._key, self._said, self._rule, self._catalogue = file, key, said, rule, catalogue

    def check(self) -> None:
        rule = self._rule
        self._word("form", rule.form, list(ClaimForm))
        for key in ("tokens", "subject", "proof", "source"):
            if not getattr(rule, key):
                self._refuse(key, "is missing; add it")
        self._word("proof", rule.proof, list(Proof))
        self._word("source", rule.source, self._catalogue.identity_sources)
        for key, paths in (("tokens", rule.tokens), ("subject", rule.subject)):
            for path in paths:
                self._named(key, path)
        for path in rule.subject:
            kind = self._catalogue.identifier_kinds.get(self._kind(path))
            # A kind that nobody knows is a mistake of the field, which the check of the record names.
            if kind is not None and kind.names != "person":
                mend = f"is of the kind {self._kind(path)}, which names no person; name whom the others belong to"
                self._refuse("subject", f"{path} {mend}")
        if both := {*rule.tokens} & {*rule.subject}:
            self._refuse(
                "tokens", f"{min(both)} is the subject too; name what belongs to it, or another subject"
            )
        self._one_place()
        self._since()
        self._mark()

    def _named(self, key: str, path: str) -> None:
        field = self._said.fields.get(path)
        if field is None:
            close = difflib.get_close_matches(path, list(self._said.fields), n=1)
            hint = f"did you mean {close[0]}?" if close else "name one, or add it there"
            self._refuse(key, f"{path} is none of fields; {hint}")
        if field.identifier is None:
            self._refuse(key, f"{path} identifies nothing; give the field an identifier, or name another")
        self._depth(key, path)

    def _kind(self, path: str) -> str:
        identifier = self._said.fields[path].identifier
        return identifier.kind if identifier else ""

    def _depth(self, key: str, path: str) -> None:
        if ANY in steps(path):
            self._refuse(key, f"{path} lies under any key of a map; name fields of objects or of an array")
        if steps(path).count(ITEM) > 1:
            self._refuse(key, f"{path} lies in an array inside another; a rule reads the items of one")

    def _one_place(self) -> None:
        """The token and whom it belongs to stand in the same item, or none of them in one."""
        place = item(self._rule.tokens[0])
        for key, paths in (("tokens", self._rule.tokens), ("subject", self._rule.subject)):
            for path in paths:
                if item(path) != place:
                    where, other = (
                        f"the items of {each}" if each else "no array" for each in (item(path), place)
                    )
                    mend = "name fields that stand side by side, or write a rule for each place"
                    self._refuse(
                        key, f"{path} lies in {where} and {self._rule.tokens[0]} in {other}, so whose it is nobody"
                        f" can say; {mend}",
                    )  # fmt: skip

    def _beside(self, key: str, path: str) -> None:
        """A field that is read for each of the rule's places: in the same item, or outside of arrays."""
        if path not in self._said.fields:
            self._refuse(key, f"{path} is none of fields; name one, or add it there with category none")
        self._depth(key, path)
        if item(path) not in ("", item(self._rule.tokens[0])):
            self._refuse(key, f"{path} lies in another array than the tokens; name a field beside them")

    def _since(self) -> None:
        since = self._rule.since
        if since is None:
            return
        if not since.path:
            self._refuse("since", "names no field; write path, or leave since out for the event's own time")
        self._beside("since.path", since.path)
        if since.path == self._said.event_time.path:
            self._refuse("since", "is the event's own time; leave it out")
        check_time(self._file, self._said, since)
        known = times_since(self._said)[since.path]
        if known != since:
            self._refuse("since", f"gives {since.path} in two units; write the one that the message has")

    def _mark(self) -> None:
        rule = self._rule
        if (rule.form == ClaimForm.SESSION and not rule.mark) or (rule.mark is None) != (not rule.marks):
            self._refuse(
                "mark", "and marks go together; name a field in mark, and in marks what its values mean"
            )
        if rule.mark is None:
            return
        self._beside("mark", rule.mark)
        kind = self._said.fields[rule.mark].type
        if kind not in _OF_A_MARK:
            self._refuse("mark", f"{rule.mark} is of type {kind}; name one of {', '.join(_OF_A_MARK)}")
        for value, mark in rule.marks.items():
            self._word(f"marks.{value}", mark, list(RULE_MARKS))

    def _word(self, key: str, word: str, known: Collection[str]) -> None:
        if word in known:
            return
        close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
        self._refuse(
            key,
            f"{word or '(empty)'} is unknown; {f'did you mean {close[0]}?' if close else 'use ' + ', '.join(known)}",
        )

    def _refuse(self, key: str, mend: str) -> NoReturn:
        raise CatalogueError(self._file, f"{self._key}.{key}", mend)
