"""Which commands there are. None of their modules is imported here."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Entry:
    """Where a command lives (`module:attribute`: a function or a Typer application), its help and its example."""

    target: str
    summary: str
    example: str
    company: bool = False
    """Whether it takes --company."""


COMMANDS = {
    "demo": Entry(
        "console.cli.demo:demo", "See all of it in a minute, nothing to install", "innsyn demo", company=True
    ),
    "up": Entry(
        "console.cli.up:up",
        "Run everything on this machine; ctrl-C stops it",
        "innsyn up --port 8480",
        company=True,
    ),
    "tag": Entry("console.cli.tag:tag", "Run a tagger: events in, lineage out", "innsyn tag", company=True),
    "rights": Entry(
        "console.cli.rights:rights",
        "Run the rights worker: plans, commands, receipts",
        "innsyn rights",
        company=True,
    ),
    "serve": Entry("console.cli.serve:serve", "Serve the HTTP API", "innsyn serve", company=True),
    "ingest": Entry(
        "console.cli.ingest:ingest",
        "Turn existing logs into events",
        "innsyn ingest --format combined access.log.gz",
        company=True,
    ),
    "simulate": Entry(
        "console.cli.simulate:simulate",
        "Send events of an invented provider",
        "innsyn simulate --customers 200 --days 30",
        company=True,
    ),
    "lookup": Entry(
        "console.cli.lookup:lookup",
        "What is held about a person, and where",
        "innsyn lookup --id customer_number=10042 --system billing",
        company=True,
    ),
    "decisions": Entry(
        "console.cli.decisions:decisions",
        "Which decisions about a person were made by machine alone",
        "innsyn decisions --id customer_number=10042",
        company=True,
    ),
    "identity": Entry(
        "console.cli.identity:identity",
        "Who it was: whom an address or handle belonged to",
        "innsyn identity --id ip=192.0.2.7 --at 2026-03-01T12:00:00Z --port 40000",
    ),
    "breach": Entry(
        "console.cli.breach:breach",
        "How far a personal data breach reaches, and whom to tell",
        "innsyn breach --topic support.chats --from 2026-03-01T00:00Z --page breach.html",
    ),
    "access": Entry(
        "console.cli.access:access",
        "The whole access answer about a person",
        "innsyn access --id customer_number=10042 --id email=-",
        company=True,
    ),
    "erase": Entry(
        "console.cli.erase:erase",
        "Erase a person; what the law holds is held and named",
        "innsyn erase --id customer_number=10042 --dry-run",
        company=True,
    ),
    "rectify": Entry(
        "console.cli.restrict:rectify",
        "Have what is wrong about a person corrected",
        "innsyn rectify --id customer_number=10042 --set CustomerDetails.name=-",
        company=True,
    ),
    "restrict": Entry(
        "console.cli.restrict:restrict",
        "Have a person's data stored and not used",
        "innsyn restrict --id customer_number=10042 --ground accuracy",
        company=True,
    ),
    "object": Entry(
        "console.cli.restrict:object_to", "Stop what is objected to", "innsyn object --id ip=-", company=True
    ),
    "withdraw": Entry(
        "console.cli.restrict:withdraw",
        "Erase what rested on a consent",
        "innsyn withdraw --id customer_number=10042",
        company=True,
    ),
    "requests": Entry(
        "console.cli.bundle:app",
        "Rights requests and how far they are",
        "innsyn requests show R-2026-0001",
        company=True,
    ),
    "preserve": Entry(
        "console.cli.preserve:app",
        "Hold everything of a person by an order",
        "innsyn preserve show",
        company=True,
    ),
    "retention": Entry(
        "console.cli.retention:app", "What has run out by its rule", "innsyn retention preview", company=True
    ),
    "deadletters": Entry(
        "console.cli.deadletters:app",
        "Messages nobody could read: list, retry, drop",
        "innsyn deadletters retry --reason unknown_schema",
    ),
    "topics": Entry(
        "console.cli.topics:topics",
        "Topics: record, key, who writes them",
        "innsyn topics --owner web",
        company=True,
    ),
    "schema": Entry(
        "console.cli.schema:app", "Check, show and register Avro records", "innsyn schema check", company=True
    ),
    "catalogue": Entry(
        "console.cli.catalogue:app",
        "Check categories, purposes, systems, rules",
        "innsyn catalogue check",
        company=True,
    ),
    "company": Entry(
        "console.cli.company:app", "Check a company's folder", "innsyn company check our-company"
    ),
    "discover": Entry(
        "console.cli.discover:discover",
        "Which topics hold personal data nobody declared",
        "innsyn discover --sample 200 --out drafts",
        company=True,
    ),
    "init": Entry(
        "console.cli.init:init",
        "Write a folder for a company of your own",
        "innsyn init our-company --from minimal",
    ),
    "keys": Entry("console.cli.keys:app", "Make and show the keys", "innsyn keys show", company=True),
    "systems": Entry(
        "console.cli.systems:app",
        "The keys of the systems that erase",
        "innsyn systems add billing",
        company=True,
    ),
    "job": Entry(
        "console.cli.job:app",
        "Whether a system's job holds what the protocol demands",
        "innsyn job test --system billing --bootstrap localhost:9092 --id customer_number=100042 --field Invoice.name",
    ),
    "sql": Entry(
        "console.cli.sql:sql",
        "Ask in SQL: the views of the index, read-only",
        "innsyn sql 'SELECT system, sum(events) FROM v_daily GROUP BY system'",
        company=True,
    ),
    "report": Entry(
        "console.cli.report:report", "How much there is of what, and until when", "innsyn report expiry --csv"
    ),
    "ropa": Entry(
        "console.cli.ropa:ropa",
        "Records of processing, from what was observed",
        "innsyn ropa --format html --lang en --out ropa.html",
    ),
    "promises": Entry(
        "console.cli.promises:promises",
        "What the policy promises, and whether it is kept",
        "innsyn promises --state broken",
    ),
    "findings": Entry(
        "console.cli.findings:app", "What breaks a duty, and what was said of it", "innsyn findings --json"
    ),
    "controls": Entry(
        "console.cli.controls:app", "The checks of duties and their last runs", "innsyn controls run"
    ),
    "audit": Entry(
        "console.cli.audit:audit", "Who asked what about whom", "innsyn audit --since 2026-03-01T00:00Z"
    ),
    "certificate": Entry(
        "console.cli.certificate:app",
        "Certificates of erasure, and their check",
        "innsyn certificate verify certificate.json",
        company=True,
    ),
    "suppression": Entry(
        "console.cli.suppression:app", "Erased data that came back", "innsyn suppression show"
    ),
    "log": Entry(
        "console.cli.log:app",
        "The log that shows whether the record was changed",
        "innsyn log check",
        company=True,
    ),
    "migrate": Entry(
        "console.cli.migrate:migrate",
        "Bring index and topics to their shape",
        "innsyn migrate --dry-run",
        company=True,
    ),
    "doctor": Entry(
        "console.cli.doctor:doctor",
        "Settings in force, and what is wrong",
        "innsyn doctor --json",
        company=True,
    ),
    "bench": Entry("console.cli.bench:bench", "Measure this machine", "innsyn bench"),
}
