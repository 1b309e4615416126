"""The command line's way to a running innsyn: its HTTP API. Identifiers travel in bodies, never in addresses."""

from __future__ import annotations

import hmac
import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from types import TracebackType
from typing import Any, NoReturn, Self

import httpx

from console.api.protection.proof import CHALLENGE_HEADER, proof
from console.archive import LEFT_OUT_HEADER, RECORDS_HEADER, TEXTS_HEADER, Archive
from console.health.parts import Part
from console.instance import SERVICE, ApiAddress, find_instance
from console.questions import Questions
from schemas.errors import InputError, SettingsError, Unavailable
from schemas.ids import request_id_in
from schemas.settings import Settings

PURPOSE_HEADER = "Innsyn-Purpose"
_BUNDLE_SECONDS = 3_600.0
_ALIVE_SECONDS = 5.0


def connect(settings: Settings, purpose: str | None = None) -> Client | None:
    """A client of the running instance, None if none answers. The caller closes it. Raises Unavailable if one is there
    that does not answer in time.

    `purpose`: what it asks for, of `schemas.asked_for`.
    """
    instance = find_instance(settings)
    if instance is None:
        return None
    client = Client(instance, purpose=purpose)
    alive = False
    try:
        alive = client.alive()
    finally:
        if not alive:
            client.close()
    return client if alive else None


def require(settings: Settings, purpose: str | None = None) -> Client:
    """As `connect`. Raises Unavailable if nothing answers."""
    client = connect(settings, purpose)
    if client is None:
        raise Unavailable(
            f"no innsyn is running for {settings.home}; start it with `innsyn up` or set INNSYN_HOME"
        )
    return client


class Client(Questions):
    """Calls of the API, each returning the answer's JSON.

    Raises InputError (the API refuses what was asked), SettingsError (it refuses the token), Unavailable.
    """

    def __init__(
        self,
        instance: ApiAddress,
        *,
        timeout: float = 60.0,
        transport: httpx.BaseTransport | None = None,
        purpose: str | None = None,
    ) -> None:
        self._instance = instance
        self._headers = {
            "Authorization": f"Bearer {instance.token}",
            **({PURPOSE_HEADER: purpose} if purpose else {}),
        }
        # No proxy of the environment: it would see identifiers.
        self._http = httpx.Client(
            base_url=instance.address, timeout=timeout, transport=transport, trust_env=False
        )

    def __repr__(self) -> str:
        return f"Client({self._instance.address})"

    @property
    def address(self) -> str:
        return self._instance.address

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def alive(self) -> bool:
        """Whether our innsyn answers there. Asked without the token: it could be somebody else by now.

        Raises SettingsError if it does not prove that it knows the token: nothing may be sent to it, and nothing
        it says is an answer; Unavailable if something is there that does not answer in time.
        """
        challenge = secrets.token_hex(16)
        try:
            answer = self._http.get("/healthz", timeout=_ALIVE_SECONDS, headers={CHALLENGE_HEADER: challenge})
            said = answer.json() if answer.is_success else {}
            if said.get("service") != SERVICE:
                return False
            proofs = [str(item).encode() for item in [said.get("proof"), *(said.get("proofs") or ())]]
        except httpx.TimeoutException:
            # Nobody there refuses at once: it is slow, as under load, and to open its index would fail.
            raise self._unavailable(
                f"did not answer within {_ALIVE_SECONDS:.0f} seconds; it is busy or cannot be reached: try again"
            ) from None
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, AttributeError, TypeError):
            return False
        expected = proof(self._instance.token, challenge).encode()
        if not any(hmac.compare_digest(item, expected) for item in proofs):
            raise SettingsError(
                f"what answers at {self._instance.address} does not know the token of this innsyn, so nothing was asked"
                " of it: it is another innsyn or another program; set INNSYN_API_TOKEN to its token, INNSYN_HOME to its"
                " folder, or INNSYN_API_PORT to where ours is"
            )
        return True

    def parts(self) -> list[Part]:
        """GET /readyz: its parts, and what is wrong with each. Raises Unavailable if it does not say."""
        try:
            return [
                Part(
                    str(item["part"]),
                    datetime.fromisoformat(item["since"]),
                    tuple(map(str, item["problems"])),
                )
                for item in self._http.get("/readyz", timeout=5.0).json()["parts"]
            ]
        except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
            raise self._unavailable(f"does not say whether it is ready ({type(error).__name__})") from None

    def notices(self) -> list[str]:
        """GET /readyz: what somebody should mend, though all parts work; empty if it does not say."""
        try:
            return [str(line) for line in self._http.get("/readyz", timeout=5.0).json()["notices"]]
        except (httpx.HTTPError, ValueError, KeyError, TypeError):
            return []

    def create_request(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """POST /v1/requests."""
        return self._call("POST", "/v1/requests", body)

    def requests(self) -> list[dict[str, Any]]:
        """GET /v1/requests, all pages."""
        return self._pages("/v1/requests")

    def request(self, request_id: str) -> dict[str, Any]:
        """GET /v1/requests/{id}."""
        return self._call("GET", f"/v1/requests/{request_id_in(request_id)}")

    def follow_up(self, request_id: str) -> dict[str, Any]:
        """POST /v1/requests/{id}/follow-up."""
        return self._call("POST", f"/v1/requests/{request_id_in(request_id)}/follow-up")

    @contextmanager
    def bundle(self, request_id: str, lang: str, keep: Sequence[str]) -> Iterator[Archive]:
        """POST /v1/requests/{id}/bundle: the archive, a piece at a time."""
        path, body = f"/v1/requests/{request_id_in(request_id)}/bundle", {"lang": lang, "keep": list(keep)}
        try:
            with self._http.stream(
                "POST", path, json=body, headers=self._headers, timeout=_BUNDLE_SECONDS
            ) as answer:
                if not answer.is_success:
                    self._refused(answer.status_code, json.loads(answer.read()))
                names = (RECORDS_HEADER, TEXTS_HEADER, LEFT_OUT_HEADER)
                counts = [int(answer.headers.get(name, 0)) for name in names]
                yield Archive(answer.iter_bytes(), *counts)
        except httpx.HTTPError as error:
            raise self._unavailable(f"does not answer ({type(error).__name__})") from None
        except ValueError:
            raise self._unavailable("answers what is no archive") from None

    def texts(self, request_id: str) -> list[dict[str, Any]]:
        """POST /v1/requests/{id}/texts: those that somebody has to read."""
        return list(self._call("POST", f"/v1/requests/{request_id_in(request_id)}/texts")["items"])

    def corrections(self, request_id: str) -> dict[str, Any]:
        """POST /v1/requests/{id}/corrections: what each field shall say."""
        return dict(
            self._call("POST", f"/v1/requests/{request_id_in(request_id)}/corrections")["corrections"]
        )

    def dead_letters(self, filters: Mapping[str, str], most: int) -> tuple[list[dict[str, Any]], bool]:
        """GET /v1/deadletters, page by page until there are `most`; and whether there are more."""
        found: list[dict[str, Any]] = []
        cursor: str | None = ""
        while cursor is not None and len(found) < most:
            asked = {**filters, "limit": str(min(1_000, most - len(found)))}
            page = self._call(
                "GET", "/v1/deadletters", params={**asked, **({"cursor": cursor} if cursor else {})}
            )
            found += page["items"]
            cursor = page.get("next_cursor")
        return found, cursor is not None

    def audit(self, filters: Mapping[str, str], limit: int) -> list[dict[str, Any]]:
        """GET /v1/audit: the newest entries, at most `limit`."""
        found: list[dict[str, Any]] = []
        cursor = None
        while len(found) < limit:
            asked = {**filters, "limit": str(min(1000, limit - len(found)))}
            page = self._call("GET", "/v1/audit", params={**asked, **({"cursor": cursor} if cursor else {})})
            found += page["items"]
            cursor = page.get("next_cursor")
            if not cursor:
                break
        return found

    def retry_letters(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """POST /v1/deadletters/retry. Takes as long as reading the dead-letter topic does."""
        return self._call("POST", "/v1/deadletters/retry", body)

    def drop_letters(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """POST /v1/deadletters/drop."""
        return self._call("POST", "/v1/deadletters/drop", body)

    def replay(self, topics: Sequence[str]) -> dict[str, Any]:
        """POST /v1/replays."""
        return self._call("POST", "/v1/replays", {"topics": list(topics)})

    def replayed(self, replay_id: str) -> dict[str, Any]:
        """GET /v1/replays/{id}."""
        return self._call("GET", f"/v1/replays/{replay_id}")

    def certificate(self, request_id: str) -> dict[str, Any]:
        """GET /v1/requests/{id}/certificate: `certificate`, or null and `why_not`."""
        return self._call("GET", f"/v1/requests/{request_id_in(request_id)}/certificate")

    def retention(self, months: int) -> dict[str, Any]:
        """GET /v1/retention/preview."""
        return self._call("GET", "/v1/retention/preview", params={"months": str(months)})

    def retention_by(self, months: int, rules: Mapping[str, Any]) -> dict[str, Any]:
        """POST /v1/retention/preview."""
        return self._call("POST", "/v1/retention/preview", {"months": months, "rules": dict(rules)})

    def run_retention(self) -> dict[str, Any]:
        """POST /v1/retention/runs."""
        return self._call("POST", "/v1/retention/runs")

    def retention_runs(self, limit: int = 10) -> dict[str, Any]:
        """GET /v1/retention/runs."""
        return self._call("GET", "/v1/retention/runs", params={"limit": str(limit)})

    def aggregate(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """POST /v1/lineage/aggregate."""
        return self._call("POST", "/v1/lineage/aggregate", body)

    def report(self, name: str, asked: Mapping[str, str]) -> dict[str, Any]:
        """GET /v1/reports/{name}."""
        return self._call("GET", f"/v1/reports/{name}", params=asked)

    def ropa(self, asked: Mapping[str, str]) -> bytes:
        """GET /v1/ropa, as it is written in the format that is asked for."""
        try:
            answer = self._http.get("/v1/ropa", params=dict(asked), headers=self._headers)
        except httpx.HTTPError as error:
            raise self._unavailable(f"does not answer ({type(error).__name__})") from None
        if answer.is_success:
            return answer.content
        try:
            return self._refused(answer.status_code, answer.json())
        except ValueError:
            raise self._unavailable(f"answers no JSON (HTTP {answer.status_code})") from None

    def ropa_json(self, asked: Mapping[str, str]) -> dict[str, Any]:
        """GET /v1/ropa."""
        return self._call("GET", "/v1/ropa", params=asked)

    def ropa_difference(self, asked: Mapping[str, str]) -> dict[str, Any]:
        """GET /v1/ropa/difference."""
        return self._call("GET", "/v1/ropa/difference", params=asked)

    def suppression(self) -> list[dict[str, Any]]:
        """GET /v1/suppression, all pages."""
        return self._pages("/v1/suppression")

    def lift(self, request_id: str, reason: str) -> dict[str, Any]:
        """POST /v1/suppression/{id}/lift."""
        return self._call("POST", f"/v1/suppression/{request_id_in(request_id)}/lift", {"reason": reason})

    def log(self, limit: int) -> dict[str, Any]:
        """GET /v1/log."""
        return self._call("GET", "/v1/log", params={"limit": str(limit)})

    def seal_log(self) -> dict[str, Any]:
        """POST /v1/log/seal."""
        return self._call("POST", "/v1/log/seal")

    def check_log(self) -> dict[str, Any]:
        """GET /v1/log/check. Takes as long as reading all that was ever recorded does."""
        return self._call("GET", "/v1/log/check")

    def prove_entry(self, entry: str, since: int | None) -> dict[str, Any]:
        """GET /v1/log/proof: the proof itself."""
        asked = {"entry": entry} | ({} if since is None else {"since": str(since)})
        return dict(self._call("GET", "/v1/log/proof", params=asked)["proof"])

    def resend(self, request_id: str) -> dict[str, Any]:
        """POST /v1/requests/{id}/resend."""
        return self._call("POST", f"/v1/requests/{request_id_in(request_id)}/resend")

    def accept(self, request_id: str, system: str, reason: str) -> dict[str, Any]:
        """POST /v1/requests/{id}/accept."""
        body = {"system": system, "reason": reason}
        return self._call("POST", f"/v1/requests/{request_id_in(request_id)}/accept", body)

    def waive(self, request_id: str, reason: str) -> dict[str, Any]:
        """POST /v1/requests/{id}/waive."""
        return self._call("POST", f"/v1/requests/{request_id_in(request_id)}/waive", {"reason": reason})

    def close_request(self, request_id: str, reason: str) -> dict[str, Any]:
        """POST /v1/requests/{id}/close."""
        return self._call("POST", f"/v1/requests/{request_id_in(request_id)}/close", {"reason": reason})

    def cancel(self, request_id: str, reason: str | None = None) -> dict[str, Any]:
        """POST /v1/requests/{id}/cancel."""
        return self._call("POST", f"/v1/requests/{request_id_in(request_id)}/cancel", {"reason": reason})

    def handle(self, request_id: str, act: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """POST /v1/requests/{id}/{act}: ask, check, extend, told, approve, lift, notified."""
        return self._call("POST", f"/v1/requests/{request_id_in(request_id)}/{act}", body)

    def preservation_orders(self) -> list[dict[str, Any]]:
        """GET /v1/preservation."""
        return list(self._call("GET", "/v1/preservation")["items"])

    def preservation(self, act: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """POST /v1/preservation, or `act` of an order: {id}/extend, {id}/lift."""
        if act:
            request_id_in(act.partition("/")[0])
        return self._call("POST", f"/v1/preservation/{act}".rstrip("/"), body)

    def _pages(self, path: str) -> list[dict[str, Any]]:
        """All items of a list."""
        found: list[dict[str, Any]] = []
        cursor: str | None = ""
        while cursor is not None:
            page = self._call("GET", path, params={"cursor": cursor} if cursor else {})
            found += page["items"]
            cursor = page.get("next_cursor")
        return found

    def _call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        try:
            answer = self._http.request(method, path, json=body, params=params, headers=self._headers)
            content = answer.json()
        except httpx.HTTPError as error:
            reached = not isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout)
            if (
                reached
                and path.startswith("/v1/requests")
                and method == "POST"
                and not path.endswith("/plan")
            ):
                raise Unavailable(
                    f"innsyn at {self._instance.address} did not answer ({type(error).__name__}), but what was asked "
                    "may be recorded; look at `innsyn requests` before you ask again"
                ) from None
            raise self._unavailable(f"does not answer ({type(error).__name__})") from None
        except ValueError:
            raise self._unavailable(f"answers no JSON (HTTP {answer.status_code})") from None
        if answer.is_success and isinstance(content, dict):
            return content
        return self._refused(answer.status_code, content)

    def _refused(self, status: int, content: Any) -> NoReturn:
        """Raises what an answer says that is none."""
        detail = content.get("detail") if isinstance(content, dict) else None
        if status == httpx.codes.UNAUTHORIZED:
            raise SettingsError(
                f"innsyn at {self._instance.address} refuses the token; set INNSYN_API_TOKEN to its token"
            )
        if status == httpx.codes.TOO_MANY_REQUESTS and detail:
            raise Unavailable(str(detail))
        if httpx.codes.is_client_error(status) and detail:
            raise InputError(str(detail))
        raise Unavailable(str(detail)) if detail else self._unavailable(f"fails (HTTP {status})")

    def _unavailable(self, what: str) -> Unavailable:
        return Unavailable(f"innsyn at {self._instance.address} {what}; see its log or `innsyn doctor`")
