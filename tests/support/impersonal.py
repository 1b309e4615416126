"""Topics about nobody, as companies have them: what looks for personal data should leave them alone."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

COUNT = 60
AT = [1_767_225_600_000 + 60_000 * number for number in range(COUNT)]
Topics = Mapping[str, list[dict[str, Any]]]


def _shop(dice: random.Random) -> Topics:
    """What is sold, and where."""
    products = ("Fiber Grunnpakke", "Mobil Fri Data", "Ruter X2", "TV Pluss")
    towns = ("Oslo", "Bergen", "Trondheim")
    return {
        "shop.products": [
            {"sku": f"S-{n:04}", "name": dice.choice(products), "price": 99.5 + n, "updatedAt": AT[n]}
            for n in range(COUNT)
        ],
        "shop.stock": [
            {"sku": f"S-{n:04}", "warehouse": {"id": f"W{n % 4}", "city": dice.choice(towns)}, "quantity": n}
            for n in range(COUNT)
        ],
        "stores": [
            {
                "store": {
                    "id": n,
                    "name": f"Butikken {dice.choice(towns)}",
                    "address": f"Storgata {1 + n}, 0150 Oslo",
                    "phone": f"2200{n:04}",
                },
                "opens": "09:00",
                "updated": AT[n],
            }
            for n in range(COUNT)
        ],
    }


def _machines(dice: random.Random) -> Topics:
    """What machines say of themselves."""
    return {
        "iot.readings": [
            {
                "sensor": f"SN-{n % 9:04}",
                "temperature": 20 + dice.random(),
                "humidity": dice.random(),
                "ts": AT[n],
            }
            for n in range(COUNT)
        ],
        "machine.status": [
            {
                "device_id": f"D-{n % 9:04}",
                "location": "Hall 3",
                "state": "running",
                "rpm": 900 + n,
                "ts": AT[n],
            }
            for n in range(COUNT)
        ],
    }


def _operations(dice: random.Random) -> Topics:
    """Rates, deployments, metrics, flags, programmes."""
    return {
        "fx.rates": [
            {"base": "NOK", "quote": "EUR", "rate": 11 + dice.random(), "date": f"2026-02-{1 + n % 28:02}"}
            for n in range(COUNT)
        ],
        "ops.deployments": [
            {
                "service": "billing-api",
                "version": f"1.{n}.0",
                "commit": f"{dice.getrandbits(160):040x}",
                "ok": True,
            }
            for n in range(COUNT)
        ],
        "ops.metrics": [
            {"host": f"node-{n % 5}", "cpu": dice.random(), "memory": 1_000_000 + n, "ts": AT[n]}
            for n in range(COUNT)
        ],
        "feature.flags": [
            {"key": f"flag-{n}", "enabled": n % 2 == 0, "rollout": n, "updatedAt": AT[n]}
            for n in range(COUNT)
        ],
        "tv.schedule": [
            {"channel": "Eksempel 1", "programme": "Bakeskolen", "title": "Fjellet, del 2", "starts": AT[n]}
            for n in range(COUNT)
        ],
    }


def _made() -> Topics:
    dice = random.Random(5)
    return {**_shop(dice), **_machines(dice), **_operations(dice)}


TOPICS = _made()
