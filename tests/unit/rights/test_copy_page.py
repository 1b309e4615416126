"""The page of an archive: what its reader's browser is given."""

from __future__ import annotations

import json

import pytest

from streams.rights.bundle_page import page
from tests.support.office import Office
from tests.unit.rights.test_copies import PERSON, WEB, ask, bundle, office, wholly

__all__ = ["office"]


def test_a_page_is_made_of_text_alone(office: Office) -> None:
    """Whatever stands in a record: no markup of it reaches the reader's browser."""
    ask(office)
    wholly(office, "crm", [("CustomerDetails", {**PERSON, "name": "<script>alert(1)</script>"})])
    request = wholly(office, "web", WEB)
    page = bundle(office, request)[0].read("index.html").decode()
    assert "<script" not in page
    assert "&lt;script&gt;" in page


@pytest.mark.parametrize(("lang", "folder"), [("nb", "mappen copy"), ("en", "folder copy")])
def test_a_page_names_the_folder_of_copies_where_there_is_one(office: Office, lang: str, folder: str) -> None:
    """An archive without any copy has no such folder."""
    ask(office)
    wholly(office, "crm", [("CustomerDetails", PERSON)])
    report = json.loads(bundle(office, wholly(office, "web", WEB))[0].read("report.json"))
    assert folder in page(report, {}, lang)
    for copies in ([], [{**report["copies"][0], "file": None, "records_total": 0}]):
        alone = page({**report, "copies": copies}, {}, lang)
        assert folder not in alone
        assert "report.json" in alone
