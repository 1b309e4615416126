"""The questions that a running innsyn answers over its HTTP API, as `console.client.Client` asks them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from schemas.errors import InputError
from schemas.ids import is_id


class Questions(ABC):
    """Each gives the answer's JSON, and raises what the client does."""

    @abstractmethod
    def _call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """The JSON that the call answers."""

    def query(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """POST /v1/lineage/query, all pages put together."""
        answer = self._call("POST", "/v1/lineage/query", body)
        cursor = answer.pop("next_cursor", None)
        while cursor:
            page = self._call("POST", "/v1/lineage/query", {**body, "cursor": cursor})
            answer["items"] += page["items"]
            cursor = page.get("next_cursor")
        return answer

    def record(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """POST /v1/lineage/record."""
        return self._call("POST", "/v1/lineage/record", body)

    def decisions(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """POST /v1/lineage/decisions."""
        return self._call("POST", "/v1/lineage/decisions", body)

    def access(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """POST /v1/access."""
        return self._call("POST", "/v1/access", body)

    def identity(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """POST /v1/identity."""
        return self._call("POST", "/v1/identity", body)

    def breach(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """POST /v1/breach."""
        return self._call("POST", "/v1/breach", body)

    def plan(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """POST /v1/requests/plan: what a request would do; nothing is stored or sent."""
        return self._call("POST", "/v1/requests/plan", body)

    def findings(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """GET /v1/findings."""
        return self._call("GET", "/v1/findings", params=asked)

    def act_on_finding(self, finding: str, act: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """POST /v1/findings/{id}/{act}: explain, accept. Raises InputError for what is no id."""
        if not is_id("request_id", finding):
            raise InputError("that is no id of a finding; `innsyn findings` lists them")
        return self._call("POST", f"/v1/findings/{finding}/{act}", body)

    def promises(self) -> list[dict[str, Any]]:
        """GET /v1/promises."""
        return list(self._call("GET", "/v1/promises")["items"])

    def controls(self) -> list[dict[str, Any]]:
        """GET /v1/controls."""
        return list(self._call("GET", "/v1/controls")["items"])

    def run_controls(self, names: Sequence[str]) -> list[dict[str, Any]]:
        """POST /v1/controls/run."""
        return list(self._call("POST", "/v1/controls/run", {"names": list(names)})["items"])
