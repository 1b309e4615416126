"""What people write to customer service, in bokmål, nynorsk and English, with identifiers typed as people type them."""

from __future__ import annotations

import random
import re
from datetime import datetime

from streams.simulate.plan import Mention
from streams.simulate.world import Customer, World

# {kind} stands for the writer's own identifier, {other_kind} for that of another customer.
FROM_PERSON = (
    "Hei! Nettet er nede igjen. Kundenummeret mitt er {customer_number}.",
    "Fødselsnummeret mitt er {fodselsnummer}, kan du sjekke avtalen?",
    "Kan dere sende fakturaen til {email} i stedet?",
    "Ring meg på {phone} etter klokka fire, er du snill.",
    "Jeg har betalt for mye. Sett pengene inn på konto {account_number}.",
    "Naboen min har samme problem, han når dere på {other_phone}.",
    "Jeg er sykmeldt og hjemme hele dagen, så montøren kan komme når som helst.",
    "Takk for hjelpen, nå virker det.",
    "Hvorfor er fakturaen høyere denne måneden?",
    "Hei, eg får ikkje logga inn. E-postadressa mi er {email}.",
    "Kundenummeret er {customer_number}. Når kjem montøren?",
    "Eg bur ikkje der lenger, ring meg på {phone}.",
    "Personnummeret mitt er {fodselsnummer} om de treng det.",
    "Ruteren blinkar raudt, kva gjer eg no?",
    "Systera mi overtek avtala, ho har e-post {other_email}.",
    "Eg er medlem i fagforeininga og skal ha rabatten deira.",
    "Hello, my internet is slow. You can reach me at {phone}.",
    "My customer number is {customer_number} and I want to cancel the TV package.",
    "Please refund to my account {account_number}, thank you.",
    "I use a wheelchair, so please ask the installer to call {phone} first.",
    "The national id you asked for is {fodselsnummer}.",
    "Is there an outage in my street?",
)
FROM_COMPANY = (
    "Hei! Hva kan jeg hjelpe deg med?",
    "Jeg finner deg på {customer_number}. Et øyeblikk.",
    "Vi sender bekreftelsen til {email}.",
    "Eg skal sjekke linja di no.",
    "We have restarted your router. Is it better now?",
)
IN_PUBLIC = (
    "Nettet er nede igjen i hele gata?",
    "Når kommer fiber til oss?",
    "Ring meg på {phone}, er du snill.",
    "Eg har venta i to veker. Kundenummer {customer_number}.",
    "Still no answer on {email}, please help!",
    "Flott service i dag, takk!",
)
NOTES = (
    "Kunden melder om brudd siden i går. Ringes på {phone}.",
    "Byttet til raskere abonnement, bekreftelse sendt til {email}.",
    "Identitet kontrollert mot {fodselsnummer}.",
    "Kunden seier at naboen ({other_phone}) òg har brot.",
    "Tilbakebetaling til konto {account_number} avtalt.",
    "Customer asks for installation next week.",
    "Vil avslutte avtalen på grunn av flytting.",
    "Gjelder også kunde {other_customer_number} i samme oppgang.",
)
OUTCOMES = (
    "Ny avtale sendt.",
    "Linja er retta.",
    "Montør bestilt.",
    "Faktura korrigert, kvittering til {email}.",
    "Resolved by restart.",
)

_PLACEHOLDER = re.compile(r"{(other_)?(\w+)}")


def write(
    world: World, rng: random.Random, templates: tuple[str, ...], writer: Customer, at: datetime
) -> tuple[str, tuple[Mention, ...]]:
    """(text, identifiers inside). A text that needs another customer is left for a plain one if there is none."""
    template = rng.choice(templates)
    other = world.other(rng, writer, at) if "{other_" in template else None
    if "{other_" in template and other is None:
        template = next(plain for plain in templates if "{" not in plain)
    mentions: list[Mention] = []

    def fill(found: re.Match[str]) -> str:
        person = other if found[1] and other else writer
        mentions.append(Mention(found[2], person.number))
        return typed(rng, found[2], dict(person.identifiers())[found[2]])

    return _PLACEHOLDER.sub(fill, template), tuple(mentions)


def typed(rng: random.Random, kind: str, value: str) -> str:
    """An identifier as somebody might type it; still the same identifier."""
    if kind == "fodselsnummer":
        return rng.choice((value, f"{value[:6]} {value[6:]}", f"{value[:6]}-{value[6:]}"))
    if kind == "phone":
        digits = value[3:]
        pairs = " ".join(digits[place : place + 2] for place in range(0, 8, 2))
        return rng.choice((value, digits, pairs, f"+47 {pairs}", f"{digits[:3]} {digits[3:5]} {digits[5:]}"))
    if kind == "account_number":
        dotted = f"{value[:4]}.{value[4:6]}.{value[6:]}"
        return rng.choice((value, dotted, dotted.replace(".", " ")))
    if kind == "email":
        return rng.choice((value, value, value.capitalize()))
    return value
