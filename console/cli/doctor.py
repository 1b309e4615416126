"""`innsyn doctor`: the settings in force, and what is wrong."""

from __future__ import annotations

import contextlib
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal

import typer
from pydantic import SecretStr

from console.cli.keys import describe
from console.cli.options import Json
from console.cli.show.checks import show_checks
from console.cli.show.output import print_json
from console.client import connect
from console.health.floods import flooded, sentence
from console.health.limits import file_problems, raise_file_limit, space_problems
from console.health.parts import Part
from console.health.taggers import read_by_nobody
from console.health.untagged import untagged_lines
from console.instance import TOKEN_FILE
from console.operations.rotation import Rotation
from console.operations.system_keys import described, jobs_said, last_heard
from console.wiring.answering import keyring, known_keys, token_keys
from console.wiring.clock import now
from console.wiring.company import company_of
from console.wiring.private import openness
from console.wiring.registry import schema_registry
from console.wiring.run_file import RUN_FILE, broker
from schemas.company import Company
from schemas.counted import are, counted
from schemas.errors import BrokerUnavailable, InnsynError, SchemaTooLarge, UnknownSchema
from schemas.settings import Settings, load_settings
from schemas.vocabulary import LetterState
from sinks.open import embedded_folder, open_sinks
from sinks.ports.dead_letters import Chosen
from sinks.ports.sinks import Sinks
from streams.kafka.brokers.java import find_java, jar_folder
from streams.kafka.connection import Connection
from streams.kafka.groups import unread
from streams.kafka.registry import Registry
from streams.kafka.topics import drift
from streams.rights.protocol.lines import approving
from streams.tagging.decode.refusals import set_aside
from streams.tagging.decode.schema_lookup import Refused, judged, too_large

_MOST_LETTERS = 1_000
State = Literal["ok", "wrong", "off"]


@dataclass(frozen=True)
class Check:
    """What was looked at. `off`: not in use here, so not looked at; `detail` says what to do where it is wrong."""

    name: str
    state: State
    detail: str


def doctor(
    every: Annotated[bool, typer.Option("--all", help="Show also the settings that nobody set.")] = False,
    as_json: Json = False,
) -> None:
    """Show the settings that somebody set (secrets masked) and check everything they point at.

    Example: innsyn doctor --all

    Exit status 1: something is wrong.
    """
    settings = load_settings()
    shown = in_force(settings)
    checks = list(examine(settings))
    if as_json:
        print_json({"settings": shown, "checks": [asdict(check) for check in checks]})
    else:
        show_checks(shown, checks, settings.home, every)
    raise typer.Exit(1 if any(check.state == "wrong" for check in checks) else 0)


def in_force(settings: Settings) -> list[dict[str, Any]]:
    """Every setting with its value, masked where it is secret, and whether somebody set it."""
    return [
        {
            "name": f"INNSYN_{name.upper()}",
            "value": _masked(getattr(settings, name)),
            "set": name in settings.model_fields_set,
            "meaning": field.description,
        }
        for name, field in Settings.model_fields.items()
    ]


def examine(settings: Settings) -> Iterator[Check]:
    """Every check, in the order in which a mend helps the next."""
    yield from _guarded("company", lambda: _company(settings))
    yield from _guarded("java", lambda: _java(settings))
    yield from _guarded("maven", lambda: _maven(settings))
    yield from _guarded("keys", lambda: _keys(settings))
    yield from _guarded("systems", lambda: _systems(settings))
    yield from _guarded("modes", lambda: _modes(settings))
    yield from _guarded("disk", lambda: _machine(settings))
    yield from _guarded("token", lambda: _token(settings))
    yield from _guarded("broker", lambda: _broker(settings))
    yield from _guarded("registry", lambda: _registry(settings))
    yield from _guarded("index", lambda: _index(settings))


def _guarded(name: str, look: Callable[[], Iterator[Check]]) -> Iterator[Check]:
    try:
        yield from look()
    except InnsynError as error:
        yield Check(name, "wrong", str(error))


def _company(settings: Settings) -> Iterator[Check]:
    company = company_of(settings)
    yield Check(
        "company", "ok", f"{company.profile.name}, catalogue {company.catalogue.version}, {company.folder}"
    )


def _java(settings: Settings) -> Iterator[Check]:
    if settings.kafka_bootstrap:
        yield Check("java", "off", "not needed: INNSYN_KAFKA_BOOTSTRAP names a broker")
    else:
        yield Check("java", "ok", str(find_java()))


def _maven(settings: Settings) -> Iterator[Check]:
    maven = shutil.which("mvn")
    if settings.kafka_bootstrap or jar_folder().is_dir():
        yield Check("maven", "off", "not needed: Kafka is there")
    elif maven:
        yield Check("maven", "ok", maven)
    else:
        yield Check("maven", "wrong", "no mvn on PATH; install Maven, `innsyn up` fetches Kafka with it")


def _keys(settings: Settings) -> Iterator[Check]:
    folder = settings.keys_folder
    if not (folder / "token.json").exists() and not settings.keys_dir:
        index = embedded_folder(settings)
        if index is not None and index.is_dir():
            yield Check(
                "keys",
                "wrong",
                f"there is an index in {index} and no token key in {folder}: nothing in it can be found without the key"
                " it was made with; restore the folder from your key backup, or set INNSYN_KEYS_DIR to where it is",
            )
            return
        yield Check(
            "keys", "off", f"none in {folder} yet; `innsyn keys create` or the first start makes them"
        )
        return
    found = describe(folder)
    for line in found["problems"]:
        yield Check("keys", "wrong", line)
    if not found["problems"]:
        yield Check(
            "keys", "ok", f"token key {found['key_id']}, {found['sealing_keys']} for sealing, in {folder}"
        )


def _systems(settings: Settings) -> Iterator[Check]:
    """Whether commands can be sent to the systems that erase."""
    found = described(settings)
    lacking = [item.system for item in found if item.lacking]
    wrong = [item.problem for item in found if item.problem and not item.lacking]
    yield from (Check("systems", "wrong", line) for line in wrong)
    if lacking:
        told = "`innsyn systems add` makes them, `innsyn up` does it by itself"
        yield Check("systems", "off", f"no command can be sent yet to {', '.join(lacking)}: no key; {told}")
    elif not wrong:
        yield Check("systems", "ok", f"commands can be sent to all {len(found)}")


def _modes(settings: Settings) -> Iterator[Check]:
    if not settings.home.is_dir():
        yield Check("modes", "off", f"no {settings.home} yet")
        return
    found = openness(settings.home)
    yield from (Check("modes", "wrong", line) for line in found)
    if not found:
        yield Check("modes", "ok", f"nothing in {settings.home} is open to others")


def _machine(settings: Settings) -> Iterator[Check]:
    raise_file_limit()
    folders = [settings.home, *filter(None, [embedded_folder(settings)])]
    for name, found in (
        ("disk", space_problems(folders, settings.disk_reserve_mb)),
        ("files", file_problems(company_of(settings).topics.values())),
    ):
        yield from (Check(name, "wrong", line) for line in found)
        if not found:
            yield Check(name, "ok", "enough")


def _token(settings: Settings) -> Iterator[Check]:
    file = settings.home / TOKEN_FILE
    if settings.api_token or not file.exists():
        yield Check("token", "off", "INNSYN_API_TOKEN is set" if settings.api_token else f"no {file} yet")
    elif file.stat().st_mode & 0o077:
        yield Check("token", "wrong", f"{file} can be read by others; run chmod 600 {file}")
    else:
        yield Check("token", "ok", str(file))


def _broker(settings: Settings) -> Iterator[Check]:
    if not settings.kafka_bootstrap and not (settings.home / RUN_FILE).exists():
        yield Check(
            "broker", "off", "none runs here; start one with `innsyn up` or set INNSYN_KAFKA_BOOTSTRAP"
        )
        return
    topics = company_of(settings).topics
    connection = broker(settings)
    try:
        differences = drift(connection, topics.values())
    except BrokerUnavailable as error:
        yield Check("broker", "wrong", str(error))
        return
    yield Check("broker", "ok", connection.bootstrap)
    for line in differences:
        yield Check("topics", "wrong", line)
    if not differences:
        yield Check("topics", "ok", f"{len(topics)} as in topics.yaml")
    yield from _taggers(settings, connection)


def _taggers(settings: Settings, connection: Connection) -> Iterator[Check]:
    tagged = company_of(settings).tagged
    try:
        left = unread(connection, settings.tag_group, tagged)
    except BrokerUnavailable as error:
        yield Check("taggers", "wrong", str(error))
        return
    if left is None:
        yield Check("taggers", "off", f"who reads is not told by the broker now (group {settings.tag_group})")
    elif left:
        yield Check("taggers", "wrong", read_by_nobody(left, settings.tag_group))
    else:
        read = f"{counted(len(tagged), 'tagged topic')} {are(len(tagged))} read"
        yield Check("taggers", "ok", f"{read} by {settings.tag_group}")


def _registry(settings: Settings) -> Iterator[Check]:
    registry = schema_registry(settings, timeout=5.0)
    if registry is None:
        yield Check("registry", "off", "INNSYN_REGISTRY_URL is not set: schemas/ only")
        return
    with registry:
        # An empty registry answers as well.
        with contextlib.suppress(UnknownSchema, SchemaTooLarge):
            registry.schema(1)
        yield Check("registry", "ok", _masked(settings.registry_url))
        yield from _registered(registry, company_of(settings))


def _registered(registry: Registry, company: Company) -> Iterator[Check]:
    """Every version of the tagged topics' subjects, held against the rules before its first message comes."""
    committed, catalogue = company.writers, company.catalogue
    count, broken = 0, 0
    # What a contract describes needs no annotations: its fields are held against the contract as they come.
    own = [topic for name, topic in company.tagged.items() if name not in company.contracts]
    for topic in own:
        try:
            for schema_id, text in registry.versions(topic.subject):
                found = judged(text, f"registry id {schema_id}", catalogue, committed)
                count += 1
                if isinstance(found, Refused):
                    broken += 1
                    yield Check("schemas", "wrong", set_aside(topic.name, found.rule))
        except SchemaTooLarge as error:
            broken += 1
            yield Check("schemas", "wrong", set_aside(topic.name, too_large(error).rule))
    if not broken:
        yield Check("schemas", "ok", f"{count} registered for tagged topics keep the rules")


def _retention(found: Mapping[str, Any], hour: int | None) -> Check:
    """The last run of retention, and what is overdue; `off` where nothing is deleted by itself."""
    overdue = found["overdue"] or 0
    last = found["runs"][0] if found["runs"] else None
    said = f"last run {last['run']} ({last['state']})" if last else "no run was ever begun"
    said += f", {counted(overdue, 'event')} overdue"
    if last and last["awaits_approval"]:
        approve = approving(last["run"], last["digest"], run=True)
        return Check("retention", "off", f"{said}; it waits for `{approve}`")
    if hour is None and overdue:
        return Check("retention", "off", f"{said}; set INNSYN_RETENTION_HOUR, or `innsyn retention run`")
    return Check("retention", "ok", said)


def _index(settings: Settings) -> Iterator[Check]:
    folder = embedded_folder(settings)
    client = connect(settings)
    if client is not None:
        with client:
            yield Check("api", "ok", client.address)
            yield from (_part(part) for part in client.parts())
            yield from (Check("notice", "wrong", line) for line in client.notices())
            yield _retention(client.retention_runs(1), settings.retention_hour)
            yield Check("jobs", *jobs_said(described(settings), last_heard(client.requests())))
            yield from _letters(*client.dead_letters({"state": "open"}, _MOST_LETTERS))
        # An embedded index is open in that process, and in one only.
        if folder is not None:
            return
    elif folder is not None and not folder.is_dir():
        yield Check("index", "off", f"none in {folder} yet; `innsyn up` or `innsyn migrate` makes it")
        return
    sinks = open_sinks(settings)
    try:
        waiting = sinks.upkeep.pending()
        yield Check("index", "ok", sinks.name)
        yield from (Check("parts", "wrong", line) for line in sinks.upkeep.lost())
        if not waiting:
            yield from _guarded("keys", lambda: _known_keys(settings, sinks))
        anew = () if waiting else sinks.upkeep.made_anew()
        ratio, floor = settings.dead_letter_ratio, settings.dead_letter_floor
        # One that runs has told already.
        told = bool(waiting) or client is not None
        floods = () if told else flooded(sinks.dead_letters, now(), ratio, floor)
        contracts = company_of(settings).contracts
        untagged = () if told else untagged_lines(sinks.untagged, contracts, now())
        opened = (
            []
            if told
            else sinks.dead_letters.find(("", 0, -1), _MOST_LETTERS + 1, Chosen(state=LetterState.OPEN))
        )
    finally:
        sinks.close()
    yield from (Check("dead letters", "wrong", sentence(item)) for item in floods)
    yield from _letters(opened[:_MOST_LETTERS], len(opened) > _MOST_LETTERS)
    yield from (Check("untagged fields", "wrong", line) for line in untagged)
    for item in anew:
        yield Check(
            "histories",
            "ok",
            f"{item.topic} was deleted and made anew ({counted(item.times, 'time')}), last known on"
            f" {item.noted_at:%Y-%m-%d %H:%M} UTC: it is read from its beginning,"
            " beside what the index has; what was deleted unread is in no answer",
        )
    if not waiting:
        yield Check("migrations", "ok", "none pending")
    else:
        yield Check("migrations", "wrong", f"pending: {', '.join(waiting)}; run `innsyn migrate`")


def _letters(opened: Sequence[Mapping[str, Any]], more: bool) -> Iterator[Check]:
    """Messages that nothing was done about, also where they are no flood: whoever is in them is in no answer."""
    if opened:
        topics = Counter(str(item["topic"]) for item in opened).most_common()
        where = ", ".join(f"{topic} {count:,}" for topic, count in topics)
        what = (
            f"{'more than ' if more else ''}{counted(len(opened), 'message')} set aside, so answers lack them"
        )
        yield Check("dead letters", "off", f"{what}: {where}; see `innsyn deadletters list`")


def _part(part: Part) -> Check:
    """A part of the running innsyn, as it knows it itself."""
    since = f"since {part.since:%Y-%m-%d %H:%M:%S} UTC"
    if part.well:
        return Check(f"{part.name} (running)", "ok", since)
    return Check(f"{part.name} (running)", "wrong", f"{since}: {'; '.join(part.problems)}")


def _known_keys(settings: Settings, sinks: Sinks) -> Iterator[Check]:
    """Whether the index was made with the keys that are here."""
    if known := known_keys(sinks):
        token_keys(sinks, settings).tokenizer()
        states = Rotation(keyring(settings), sinks, now).states()
        for state in states[:-1]:
            there = [counted(count, thing) for count, thing in state.resting.counts if count]
            rests = f"an older key on which {', '.join(there) or 'nothing'} rest{'' if there else 's'}"
            yield Check(
                "keys",
                "off",
                f"{state.key_id} is {rests}; `innsyn keys rekey` moves them, `innsyn keys"
                f" retire {state.key_id}` ends it",
            )
        yield Check(
            "keys", "ok", f"the index was made with {', '.join(known)}, proven to be the key in the folder"
        )


def _masked(value: Any) -> Any:
    if isinstance(value, SecretStr):
        return "**********"
    if isinstance(value, str):
        return re.sub(r"//[^/@]*@", "//**********@", value)
    if isinstance(value, tuple):
        return ",".join(value) or None
    return value if value is None or isinstance(value, int | float) else str(value)
