"""`innsyn ropa`, and the routes behind it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import date
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from console.api.app import create_app
from console.cli.main import app
from streams.ropa.formats import FORMATS
from tests.support.api import TOKEN, services
from tests.support.asgi import InProcess
from tests.support.company import model
from tests.support.instance import running
from tests.support.ropa import MAY, Index, all_declared, seen, wrong


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Index]:
    monkeypatch.setenv("INNSYN_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("INNSYN_KEYS_DIR", str(tmp_path / "keys"))
    with ExitStack() as stack:
        found = Index(model(), [seen(tags, MAY) for tags in all_declared(model(), but=["tv.viewings"])])
        stack.enter_context(running(tmp_path / "home", services(tmp_path / "keys", processed=found)))
        yield found


def called(*words: str) -> str:
    found = CliRunner().invoke(app, ["ropa", *words])
    assert found.exit_code == 0, (found.output, found.exception)
    return found.stdout


def refused(*words: str) -> str:
    found = CliRunner().invoke(app, ["ropa", *words])
    assert found.exit_code
    return " ".join(f"{found.output} {found.exception}".split())


def test_each_activity_is_a_line_in_either_language(index: Index) -> None:
    norwegian, english = " ".join(called().split()), " ".join(called("--lang", "en").split())
    assert "Protokoll over behandlingsaktiviteter Modellnett AS" in norwegian
    assert "Fakturering" in norwegian
    assert "Records of processing activities" in english
    assert "Billing" in english
    assert "never" not in norwegian
    # What it cannot see is said beneath it.
    assert "not disclosures that were seen" in english


def test_json_is_valid_by_its_schema_wherever_it_goes(index: Index, tmp_path: Path) -> None:
    file = tmp_path / "ropa.json"
    called("--format", "json", "--out", str(file))
    assert not wrong(file.read_text("utf-8"))
    for words in (["--format", "json"], ["--json"]):
        assert json.loads(called(*words))["activities"] == json.loads(file.read_text("utf-8"))["activities"]
    assert "there already" in refused("--format", "json", "--out", str(file))


def test_a_page_and_a_workbook_are_written(index: Index, tmp_path: Path) -> None:
    """A workbook is no text for a terminal."""
    html, xlsx = tmp_path / "ropa.html", tmp_path / "ropa.xlsx"
    called("--format", "html", "--lang", "en", "--out", str(html))
    assert "Records of processing activities" in html.read_text("utf-8")
    assert "Forskjell fra det som er oppgitt" in called("--format", "html")
    called("--format", "xlsx", "--out", str(xlsx))
    assert xlsx.read_bytes().startswith(b"PK")
    assert "--out" in refused("--format", "xlsx")
    assert "cannot be written" in refused("--format", "xlsx", "--out", str(tmp_path / "no" / "ropa.xlsx"))


def test_every_format_is_written_by_the_route_with_its_media_type(index: Index, tmp_path: Path) -> None:
    """OpenLineage names topics by the broker, which whoever asks over HTTP has to say."""
    for name in ("dpv", "fideslang"):
        assert "customer" in called("--format", name).lower()
    shown = called("--format", "openlineage", "--broker", "kafka.example:9092")
    assert {json.loads(line)["producer"] for line in shown.splitlines()} == {"urn:innsyn:ropa"}
    # Else by that of the running instance.
    first = json.loads(called("--format", "openlineage").splitlines()[0])
    assert first["dataset"]["namespace"].startswith("kafka://")
    transport = InProcess(create_app(services(tmp_path / "keys", processed=index)))
    with httpx.Client(transport=transport, base_url="http://api.test") as client:
        client.headers["Authorization"] = f"Bearer {TOKEN}"
        for name, written in FORMATS.items():
            answer = client.get("/v1/ropa", params={"format": name.value, "broker": "kafka.example:9092"})
            assert answer.headers["content-type"].partition(";")[0] == written.media_type
        assert client.get("/v1/ropa?format=openlineage").status_code == 422
        assert client.get("/v1/ropa?format=openlineage&broker=nowhere").status_code == 422


def test_days_are_handed_on(index: Index) -> None:
    called("--since", "2026-05-01", "--until", "2026-06-01")
    assert set(index.asked) == {(date(2026, 5, 1), date(2026, 6, 1))}
    assert "Ingen behandling er observert" in called("--until", "2026-05-01")


def test_differences_are_shown(index: Index) -> None:
    shown = " ".join(called("--diff", "declared", "--lang", "en").split())
    assert "declared only" in shown
    assert "tv.viewings" in shown
    assert "new this month" in " ".join(called("--diff", "month", "--lang", "en").split())
    found = json.loads(called("--diff", "declared", "--json"))
    assert {item["side"] for item in found["items"]} == {"declared_only"}


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--lang", "sv"), "use one of nb, en"),
        (("--since", "yesterday"), "--since takes a day"),
        (("--out", "x.json"), "--format"),
        (("--format", "json", "--diff", "month"), "without --diff"),
        (("--diff", "month", "--until", "0001-01-20"), "until"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_words(index: Index, words: tuple[str, ...], why: str) -> None:
    assert why in refused(*words)


def test_nobody_asks_without_the_token_and_an_index_without_views_says_so(tmp_path: Path) -> None:
    transport = InProcess(create_app(services(tmp_path / "keys")))
    with httpx.Client(transport=transport, base_url="http://api.test") as client:
        assert client.get("/v1/ropa").status_code == 401
        client.headers["Authorization"] = f"Bearer {TOKEN}"
        assert client.get("/v1/ropa").status_code == 503
        assert client.get("/v1/ropa/difference?against=month").status_code == 503
        assert client.get("/v1/ropa?format=shoe").status_code == 422
        assert client.get("/v1/ropa/difference").status_code == 422
