"""`innsyn preserve`: preservation orders (straffeprosessloven § 215 a), which hold everything of a person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from console.cli.options import At, Ids, Json, Port, at_moment, identifiers
from console.cli.show.output import marked, print_json, say, screen, table
from console.client import require
from schemas.settings import load_settings

Id = Annotated[str, typer.Argument(metavar="ID", help="As `innsyn preserve show` lists it.")]
Until = Annotated[
    str, typer.Option("--until", metavar="DATE", help="Last day on which it holds; 90 days from now at most.")
]
Reference = Annotated[
    str, typer.Option("--reference", metavar="TEXT", help="Case and decision it rests on; kept sealed.")
]
app = typer.Typer(help="Preservation orders: hold everything of a person.", no_args_is_help=True)


@app.command(
    short_help="Hold everything of a person.",
    epilog="Example: innsyn preserve add --id customer_number=10042 --until 2027-01-31 --reference 'case 4711'",
)
def add(
    ids: Ids,
    until: Until,
    reference: Reference,
    at: At = None,
    port: Port = None,
    as_json: Json = False,
) -> None:
    """Hold everything of a person from now on: no plan, no request and no retention rule erases any of it.

    The person is not told of the order: an answer says that the law holds the data, and by which rule.
    """
    people = at_moment(identifiers(ids), at, port, addresses=True)
    body = {"identifiers": people, "until": until, "reference": reference}
    with require(load_settings()) as client:
        _tell([client.preservation("", body)], as_json)


@app.command(
    short_help="List all orders, with those that have ended.", epilog="Example: innsyn preserve show --json"
)
def show(as_json: Json = False) -> None:
    """List all orders. Whom they are about is sealed; of that the kinds of identifiers are shown."""
    with require(load_settings()) as client:
        found = client.preservation_orders()
    if as_json:
        print_json({"items": found})
    elif found:
        _tell(found, as_json=False)
    else:
        screen().print("There are no preservation orders.")


@app.command(
    short_help="Let an order hold longer.",
    epilog="Example: innsyn preserve extend p-5f2a9c01d7e34b68 --until 2027-03-31 --reference 'case 4711'",
)
def extend(order_id: Id, until: Until, reference: Reference, as_json: Json = False) -> None:
    """Let an order that runs hold longer, by another decision: 90 days from now at most."""
    body = {"until": until, "reference": reference}
    with require(load_settings()) as client:
        _tell([client.preservation(f"{order_id}/extend", body)], as_json)


@app.command(
    short_help="End an order before its last day.",
    epilog="Example: innsyn preserve lift p-5f2a9c01d7e34b68",
)
def lift(order_id: Id, as_json: Json = False) -> None:
    """End an order. What it held is due again: requests that stopped go on with `innsyn requests resend`."""
    with require(load_settings()) as client:
        _tell([client.preservation(f"{order_id}/lift", {})], as_json)


def _tell(orders: Sequence[Mapping[str, Any]], as_json: bool) -> None:
    if as_json:
        print_json(orders[0])
        return
    rows = table("order", "state", "until", "about", "reference")
    rows.columns[0].no_wrap = True
    for item in orders:
        about = ", ".join(item["kinds"]) or "–"
        rows.add_row(
            item["order_id"], item["state"], item["until"], about, marked("{}", item["reference"] or "–")
        )
    screen().print(rows)
    for item in orders:
        for told in item["commands_out"]:
            screen().print(
                f"{told['system']} was told by {told['request_id']} before the order came and has not answered. No"
                " message takes that back: ask its people to stop."
            )
        if item["problem"]:
            say(f"innsyn: {item['order_id']}: {item['problem']}", err=True)
