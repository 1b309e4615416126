"""Contracts of an invented web shop, to be changed and broken."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import yaml

from schemas.catalogue import load_catalogue
from schemas.company import Company, load_company
from schemas.contracts import Contract, load_contract

TOPIC = "shop.orders"
ORDER: dict[str, Any] = {
    "record": "ShopOrder",
    "format": "json",
    "system": "crm",
    "subject_type": "customer",
    "purposes": ["P-CONTRACT"],
    "legal_basis": {"P-CONTRACT": "b"},
    "origin": "direct",
    "operation": "collect",
    "retention": ["T18", "T27"],
    "recipients": [],
    "event_time": {"path": "placed_at"},
    "fields": {
        "order_id": {"category": "C-09", "record_key": True},
        "placed_at": {"category": "none", "type": "integer"},
        "customer.number": {
            "category": "C-01",
            "identifier": {"kind": "customer_number", "role": "owner"},
            "necessity": "contract",
        },
        "customer.email": {"category": "C-01", "identifier": {"kind": "email", "role": "owner"}},
        "consignees[].number": {
            "category": "C-01",
            "identifier": {"kind": "customer_number", "role": "counterparty"},
        },
        "consignees[].name": {"category": "C-01", "about": ["counterparty"]},
        "lines": {"category": "C-09"},
        "note": {"category": "C-31", "free_text": True},
    },
}


def order(**changed: Any) -> dict[str, Any]:
    """The contract with some keys changed; a key of None is left out."""
    return {key: value for key, value in {**deepcopy(ORDER), **changed}.items() if value is not None}


def contract(folder: Path, content: dict[str, Any], topic: str = TOPIC) -> Contract:
    """Written to a file of the folder, and read from it."""
    (folder / "contracts").mkdir(exist_ok=True)
    file = folder / "contracts" / f"{topic}.yaml"
    file.write_text(yaml.safe_dump(content, sort_keys=False), "utf-8")
    return load_contract(file, load_catalogue(), folder / "avro")


TOPIC_SAID = {
    "key": None, "owner": "shop", "system": "crm", "partitions": 1, "retention": "P7D", "cleanup_policy": "delete",
    "dead_letter": "lineage.dead-letters", "personal": True, "tagged": True,
}  # fmt: skip


def company(folder: Path, topics: dict[str, Any], **said: Any) -> Company:
    """One that extends the model company by the order contract, with some keys changed."""
    profile = {
        "name": "Butikk", "controller": "Butikk AS", "country": "NO", "languages": ["nb"], "dpo_contact": "x",
        "time_zone": "Europe/Oslo", "extends": "model",
    }  # fmt: skip
    (folder / "company.yaml").write_text(yaml.safe_dump(profile))
    (folder / "topics.yaml").write_text(yaml.safe_dump(topics))
    contract(folder, order(**said))
    return load_company(folder)
