"""The demo of the model company: its simulator, and a former customer who asks by the customer number alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date

from console.demo.tale import Asker
from schemas.company import Company, load_company
from schemas.counted import counted
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
        for item in events(self._plan, world=self._world):
            self._truth.add(item)
            yield item

    def asker(self) -> Asker:
        """The former customer about whom the company knows most, among those with an invoice."""
        person = max(self._world.customers, key=self._known)
        kinds = ([self._truth.unique], [self._truth.gaps, self._truth.only_mentioned])
        sure, maybe = (
            sum(sum(self._truth.of(person.number, counts).values()) for counts in some) for some in kinds
        )
        return Asker(
            asked_by=[("customer_number", person.number)],
            own=person.identifiers(),
            contract_end=contract_end(person),
            sure=sure,
            maybe=maybe,
            how_asked="asked by the customer number alone: what else was theirs, and when, the events tell",
            how_erased="asked by the customer number alone; each system is told the person as its own records know"
            " them: every address with its times, every cookie, phone and e-mail that the events tell of",
        )

    def _known(self, customer: Customer) -> tuple[bool, int]:
        counts = self._truth.of(customer.number, self._truth.unique)
        left = not customer.active(self._plan.end) and "billing.invoices" in counts
        return left, sum(counts.values())


def contract_end(person: Customer) -> date | None:
    end = max((phase.end for phase in person.phases if phase.end is not None), default=None)
    return end.date() if end else None
