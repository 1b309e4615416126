"""The questions that a running innsyn answers over its HTTP API, as `console.client.Client` asks them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any


class Questions(ABC):
    """Each gives the answer's JSON, and raises what the client does."""

    @abstractmethod
    def _call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        params: Mapping[str, str] | None = None,
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
