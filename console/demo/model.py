"""The demo of the model company: its simulator, and a former customer who asks by the customer number alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import date

from console.demo.tale import Asker
from schemas.company import Company, load_company
from schemas.counted import counted
from schemas.vocabulary import ADDRESS, Role
from streams.rights.protocol.messages import Named
from streams.simulate.model import records
from streams.simulate.plan import Plan, SimEvent
from streams.simulate.simulate import Truth, events
from streams.simulate.world import Customer, World, build_world


class ModelTale:
    """The events of a provider."""

    def __init__(self, plan: Plan) -> None:
        self.company: Company = load_company()
        self._plan = plan
        self._world: World = build_world(plan)
        self._truth = Truth(self._world)
        self._addresses: defaultdict[str, list[Named]] = defaultdict(list)

    @property
    def acts(self) -> tuple[str, str]:
        return (
            f"A provider with {counted(self._plan.customers, 'household')},"
            f" {counted(self._plan.days, 'day')} of its events",
            "One of them, no longer a customer, asks: what do you hold about me?",
        )

    @property
    def next_steps(self) -> Sequence[tuple[str, str]]:
        return (
            ("keep it running, on a real Kafka", "innsyn up"),
            ("feed it your own web server's log", "innsyn ingest --format combined access.log.gz"),
            ("ask about anybody", "innsyn access --id customer_number=-"),
            ("check an event schema as an upstream team", "innsyn schema check my_event.avsc"),
            ("write a folder for your own company", "innsyn init our-company --from minimal"),
            ("read the rules it went by", "schemas/companies/model/catalogue/retention.yaml"),
        )

    def events(self) -> Iterator[SimEvent]:
        """All of them; kept of each is which address it came from in which second, if that was one customer's alone."""
        for item in events(self._plan, world=self._world):
            number = item.observed
            before = self._truth.unique[number or "", item.topic]
            self._truth.add(item)
            if number is not None and self._truth.unique[number, item.topic] > before:
                self._addresses[number] += addresses(item)
            yield item

    def asker(self) -> Asker:
        """The former customer about whom the company knows most, among those with an invoice."""
        person = max(self._world.customers, key=self._known)
        used = self._addresses[person.number]
        kinds = ([self._truth.unique], [self._truth.gaps, self._truth.only_mentioned])
        sure, maybe = (
            sum(sum(self._truth.of(person.number, counts).values()) for counts in some) for some in kinds
        )
        return Asker(
            asked_by=[("customer_number", person.number)],
            own=person.identifiers(),
            erased_by=[*person.identifiers(), *used],
            contract_end=contract_end(person),
            sure=sure,
            maybe=maybe,
            how_asked="asked by the customer number alone: what else was theirs, and when, the events tell",
            how_erased=f"the systems know no links, so they are told {counted(len(used), 'address')}, each with its"
            " second, that the company's own log gives for this person",
        )

    def _known(self, customer: Customer) -> tuple[bool, int]:
        counts = self._truth.of(customer.number, self._truth.unique)
        left = not customer.active(self._plan.end) and "billing.invoices" in counts
        return left, sum(counts.values())


def addresses(item: SimEvent) -> list[Named]:
    """The addresses of an event's owner, with the time and the port at which they were used."""
    record = records()[item.record]
    at = item.value[record.annotation.event_time]
    return [
        Named(who.kind, item.value[who.field], at, item.value.get(who.port_field) if who.port_field else None)
        for who in record.identifiers
        if who.kind == ADDRESS and who.role == Role.OWNER and item.value.get(who.field)
    ]


def contract_end(person: Customer) -> date | None:
    end = max((phase.end for phase in person.phases if phase.end is not None), default=None)
    return end.date() if end else None
