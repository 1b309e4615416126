"""Each recipe of `docs/adding.md` works as it stands there, and does what it promises."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.recipes import (
    Step,
    carry_out,
    changed,
    copy_of_the_repository,
    introduction,
    run,
    sections,
    steps,
)

RECIPES = {name: text for name, text in sections().items() if name.startswith(("A ", "An "))}
CHANGING = "Changing a schema"

NEW_RECORD = """
from pathlib import Path
from schemas.codec import encode_body
from schemas.company import load_company
from tests.unit.tagging.test_tag import short, tag

company = load_company(Path("our-company"))
record = company.records["Delivery"]
bodies = [encode_body(record, event) for event in company.examples("Delivery")]
tagged = tag(record, bodies)
print("topic", company.topics["shop.deliveries"].record)
print("rows", [(offset, role) for _, offset, role, _ in short(tagged)])
print("categories", sorted(sorted(tags.categories) for tags in tagged.tag_sets))
"""

NEW_RULE = """
from datetime import UTC, date, datetime
from pathlib import Path
from schemas.company import load_company
from schemas.policy import RetentionAnchors, decide_erasure

company = load_company(Path("our-company"))
rules = [company.catalogue.retention_rules[name] for name in company.records["OrderPlaced"].annotation.retention]
day = datetime(2026, 1, 15, tzinfo=UTC)
anchors = RetentionAnchors(contract_end=date(2026, 2, 1), delivery=date(2026, 1, 15))
(told,) = decide_erasure(["C-09"], ["P-CONTRACT"], rules, day, day, date(2027, 1, 1), anchors)
print(told.action, told.rule, told.until)
"""

NEW_KIND = """
from pathlib import Path
from console.bodies import SubjectBody
from schemas.codec import encode_body
from schemas.company import load_company
from schemas.records import parse_record
from tests.unit.tagging.test_tag import short, tag
from streams.tagging.tag import Tagger
from tests.support.claims import TOKENIZER

company = load_company(Path("our-company"))
text = Path("our-company/avro/order_placed.avsc").read_text()
record = parse_record(text.replace('"kind": "customer_number"', '"kind": "member_number"'), "order_placed.avsc")
event = company.examples("OrderPlaced")[0]
numbers = ("100 042 1", "0001000421", "1000422")
bodies = [encode_body(record, event | {"customer_number": number, "email": None}) for number in numbers]
tagged = tag(record, bodies, tagger=Tagger(TOKENIZER, "v1", company.kinds, ()))
print("tokens", len({token for token, *_ in short(tagged)}), "bad", dict(tagged.bad))
body = SubjectBody.model_validate({"identifiers": [{"kind": "member_number", "value": "1000421"}]})
(asked,) = body.question(company.kinds).identifiers
print("asked", TOKENIZER.token(asked.kind, asked.value) in {token for token, *_ in short(tagged)})
"""


NEW_RIGHT = """
import sys
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from schemas.errors import InputError
from tests.support.index import memory_index
from tests.support.office import Office

with ExitStack() as stack:
    office = Office(Path(sys.argv[1]), memory_index(), stack)
    seen = datetime(2026, 11, 15, 9, tzinfo=UTC)
    office.put("crm.customers", {"customer_number": "k-1", "name": "Kari", "updated_at": seen})
    try:
        made = office.service.create(
            "portability", [("customer_number", "k-1")], reason=None, channel="web", received_at=office.now
        )
    except InputError as error:
        print(error)
    else:
        office.deliver()
        print(office.service.get(made.request_id).state)
"""


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return copy_of_the_repository(tmp_path)


@pytest.fixture
def company(copy: Path) -> Path:
    """The folder that the introduction makes, in a copy of the repository."""
    (step,) = steps(introduction())
    carry_out(step, copy)
    return copy


def follow(name: str, copy: Path) -> list[Step]:
    """Do what the recipe says; returns its steps."""
    told = steps(RECIPES[name])
    for step in told:
        carry_out(step, copy)
    return told


def printed(copy: Path, script: str, *given: str) -> list[str]:
    """What a script prints in the copy."""
    ran = run(copy, "python", "-c", script, *given)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.splitlines()


def test_every_recipe_is_carried_out() -> None:
    """A new recipe needs a test below."""
    assert list(RECIPES) == [
        "A record and its topic",
        "A log format",
        "A retention rule",
        "A right",
        "An identifier kind",
    ]
    assert set(sections()) == {*RECIPES, CHANGING}


def test_a_change_that_does_not_fit_is_an_error() -> None:
    """A recipe is not carried out beside the place it speaks of."""
    assert changed("a\nb\nc\n", " a\n-b\n+d\n@@\n-c\n") == "a\nd\n"
    for text in ("a\nc\n", "a\nb\na\nb\n"):
        with pytest.raises(AssertionError, match="stands"):
            changed(text, " a\n-b\n")


def test_a_command_that_fails_is_an_error(tmp_path: Path) -> None:
    """Neither a failing command nor one that shows something else passes."""
    carry_out(Step("Run", "", "$ echo done\ndone\n"), tmp_path)
    for body in ("$ false\n", "$ echo done\nmore\n"):
        with pytest.raises(AssertionError, match=r"false|done"):
            carry_out(Step("Run", "", body), tmp_path)


def test_a_record_and_its_topic_are_files_alone(company: Path) -> None:
    """Without a line of Python its events become rows with their people, roles and categories."""
    told = follow("A record and its topic", company)
    assert not [step for step in told if step.file.endswith(".py")]
    assert len({step.file for step in told if step.file and "examples" not in step.file}) == 2
    assert sorted(printed(company, NEW_RECORD)) == [
        "categories [['C-01', 'C-09'], ['C-09']]",
        "rows [(100, 1), (100, 4), (101, 1)]",
        "topic Delivery",
    ]


def test_a_record_that_lacks_a_word_is_not_taken(company: Path) -> None:
    """The check of the recipe is one: a category nobody knows stops it."""
    told = steps(RECIPES["A record and its topic"])
    for step in told:
        if step.act == "Run":
            with pytest.raises(AssertionError, match="unknown category C-99"):
                carry_out(step, company)
            return
        carry_out(step._replace(body=step.body.replace("C-01", "C-99")), company)


def test_a_log_format_is_read(copy: Path) -> None:
    """Two files: the format, and the topic that takes it."""
    told = follow("A log format", copy)
    assert {step.file for step in told if step.file and not step.file.startswith("tests/")} == {
        "streams/feeds/formats/unbound.py",
        "schemas/companies/model/topics.yaml",
    }


def test_a_retention_rule_decides(company: Path) -> None:
    """The new rule holds what would go without it."""
    assert printed(company, NEW_RULE) == ["erase_now None None"]
    follow("A retention rule", company)
    assert printed(company, NEW_RULE) == ["hold_until T51 2031-01-15"]


def test_a_right_is_served(copy: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Refused before; then carried out by whatever carries requests out, in at most six files.

    The right of the recipe is served, with the copies of systems: it is taken out of the copy first.
    """
    registry = copy / "streams/rights/registry.py"
    rows = registry.read_text().replace("import Access, Portability", "import Access")
    registry.write_text(rows.replace("        Right.PORTABILITY: Portability,\n", ""))
    (refused,) = printed(copy, NEW_RIGHT, str(tmp_path_factory.mktemp("before")))
    assert refused.startswith("'portability' is no request that is served; use one of access, erasure")
    told = follow("A right", copy)
    assert len({step.file for step in told if step.file}) <= 6
    assert {
        step.file for step in told if step.file.startswith(("schemas/", "sinks/", "streams/", "console/"))
    } == {
        "streams/rights/portability.py",
        "streams/rights/registry.py",
    }
    assert printed(copy, NEW_RIGHT, str(tmp_path_factory.mktemp("after"))) == ["completed"]


def test_an_identifier_kind_is_one_file(company: Path) -> None:
    """Events and questions have it, in every spelling; without a line of Python."""
    told = follow("An identifier kind", company)
    assert [step.file for step in told if step.file] == ["our-company/catalogue/identifiers.yaml"]
    assert printed(company, NEW_KIND) == ["tokens 1 bad {2: 'invalid_identifier'}", "asked True"]
