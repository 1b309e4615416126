"""The page of an archive: what its reader's browser is given."""

from __future__ import annotations

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
