"""What a contract's `facts` may say: what events say of duties, over paths. Pure.

The words are those of `schemas.facts`. A rule is read outside of arrays.
"""

from __future__ import annotations

from schemas.contract_file import ContractFile
from schemas.errors import CatalogueError
from schemas.facts import fact_faults
from schemas.paths import ANY, ITEM, steps

_OF_A_MARK = ("string", "integer", "boolean")


def check_facts(file: str, said: ContractFile) -> None:
    """Refuse a rule that says nothing, or not of what. Errors: CatalogueError with file, key and mend."""
    for number, rule in enumerate(said.facts):
        key = f"facts.{number}"
        for word, fault in fact_faults(rule):
            raise CatalogueError(file, f"{key}.{word}", fault)
        for path in rule.fields:
            field = said.fields.get(path)
            if field is None:
                raise CatalogueError(file, key, f"{path} is none of fields; name one, or add it there")
            if {ITEM, ANY} & {*steps(path)}:
                mend = f"{path} lies in an array or a map; name a field outside"
                raise CatalogueError(file, key, mend)
            read_as_text = path not in (rule.where, rule.evidence)
            if read_as_text and field.type not in (_OF_A_MARK if path == rule.mark else ("string",)):
                raise CatalogueError(file, key, f"{path} is of type {field.type}; name one of type string")
