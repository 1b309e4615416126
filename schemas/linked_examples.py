"""Whether a contract's examples show what its `identity` links: what no example shows, nobody has seen at work."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from schemas.annotations import IdentityRule, Problem
from schemas.contracts import Contract
from schemas.examples import Example, Steps


def unshown_links(contract: Contract, examples: Iterable[Example]) -> Iterator[Problem]:
    """The rules of which no example has a token and whom it belongs to, side by side. None without examples."""
    messages = [example for example in examples if example.value is not None]
    for number, rule in enumerate(contract.record.annotation.identity if messages else ()):
        if not any(_shows(rule, example) for example in messages):
            tokens, subject = ", ".join(rule.tokens), " or ".join(rule.subject)
            mend = f"write one in which {subject} stands beside {tokens}, or mend the rule"
            yield Problem(contract.record.file, f"identity.{number}", "is shown by no example", mend)


def _shows(rule: IdentityRule, example: Example) -> bool:
    found: dict[tuple[Steps, tuple[int, ...]], set[str]] = {}
    for place, _, _ in example.identifiers:
        found.setdefault((place.before, place.items), set()).add(place.path or "")
    return any(paths & {*rule.tokens} and paths & {*rule.subject} for paths in found.values())
