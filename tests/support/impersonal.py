"""Topics about nobody, as companies have them: what looks for personal data should leave them alone."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

COUNT = 60


def _made() -> Mapping[str, list[dict[str, Any]]]:
    dice = random.Random(5)
    at = [1_767_225_600_000 + 60_000 * number for number in range(COUNT)]
    products = ("Fiber Grunnpakke", "Mobil Fri Data", "Ruter X2", "TV Pluss")
    towns = ("Oslo", "Bergen", "Trondheim")
    each = range(COUNT)
    return {
        "shop.products": [
            {"sku": f"S-{n:04}", "name": dice.choice(products), "price": 99.5 + n, "updatedAt": at[n]}
            for n in each
        ],
        "shop.stock": [
            {"sku": f"S-{n:04}", "warehouse": {"id": f"W{n % 4}", "city": dice.choice(towns)}, "quantity": n}
            for n in each
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
                "updated": at[n],
            }
            for n in each
        ],
        "iot.readings": [
            {
                "sensor": f"SN-{n % 9:04}",
                "temperature": 20 + dice.random(),
                "humidity": dice.random(),
                "ts": at[n],
            }
            for n in each
        ],
        "machine.status": [
            {
                "device_id": f"D-{n % 9:04}",
                "location": "Hall 3",
                "state": "running",
                "rpm": 900 + n,
                "ts": at[n],
            }
            for n in each
        ],
        "fx.rates": [
            {"base": "NOK", "quote": "EUR", "rate": 11 + dice.random(), "date": f"2026-02-{1 + n % 28:02}"}
            for n in each
        ],
        "ops.deployments": [
            {
                "service": "billing-api",
                "version": f"1.{n}.0",
                "commit": f"{dice.getrandbits(160):040x}",
                "ok": True,
            }
            for n in each
        ],
        "ops.metrics": [
            {"host": f"node-{n % 5}", "cpu": dice.random(), "memory": 1_000_000 + n, "ts": at[n]}
            for n in each
        ],
        "feature.flags": [
            {"key": f"flag-{n}", "enabled": n % 2 == 0, "rollout": n, "updatedAt": at[n]} for n in each
        ],
        "tv.schedule": [
            {"channel": "Eksempel 1", "programme": "Bakeskolen", "title": "Fjellet, del 2", "starts": at[n]}
            for n in each
        ],
    }


TOPICS = _made()
