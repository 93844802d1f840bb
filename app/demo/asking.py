"""Requests to the service, each as the person of the sample organisation who would make it."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import httpx

from app.demo.waiting import DemoFailed
from app.wording import say


class Asking:
    """The API as the demonstration uses it; a refusal nobody expected ends the demonstration."""

    def __init__(self, client: httpx.AsyncClient, first: str, language: str) -> None:
        self.client, self.first = client, first  # `first`: the key everything begins with
        self.people: Sequence[Mapping[str, Any]] = ()
        self.layers: Mapping[str, str] = {}  # of positions
        self._language = language
        self._keys: dict[str, str] = {}  # by staff number

    def holder_of(self, position: str) -> str:
        """The staff number of whoever holds it."""
        return next(str(p["staff_number"]) for p in self.people if position in p["positions"])

    async def ask(
        self, method: str, path: str, body: Any = None, *, by: str | None = None, **more: Any
    ) -> Any:
        """One request to the API as somebody, or as the holder of the first key; fails on any refusal not expected."""
        key = self.first if by is None else await self._key_of(by)
        return await self.call(method, f"/api/v1{path}", key, body, **more)

    async def _key_of(self, staff_number: str) -> str:
        """A key in this person's hands, with the rights of the layer of their position."""
        if staff_number not in self._keys:
            person = next(p for p in self.people if p["staff_number"] == staff_number)
            role = self.layers[person["positions"][0]]
            wanted = {"name": person["name"], "role": role, "person_id": person["id"]}
            self._keys[staff_number] = (await self.call("POST", "/api/v1/keys", self.first, wanted))["key"]
        return self._keys[staff_number]

    async def call(
        self, method: str, path: str, key: str, body: Any = None, *, expect: int | None = None,
        content_type: str = "application/json",
    ) -> Any:  # fmt: skip
        answer = await self.send(method, path, key, body, content_type=content_type)
        if answer.status_code not in ((expect,) if expect else (200, 201, 202)):
            told = {"method": method, "path": path, "status": answer.status_code}
            raise DemoFailed(say("demo.refused_request", **told, body=answer.text[:500]))
        return answer.json()

    async def send(
        self, method: str, path: str, key: str, body: Any = None, *, content_type: str = "application/json",
        accept: str = "application/json",
    ) -> httpx.Response:  # fmt: skip
        content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {key}", "Accept-Language": self._language, "Accept": accept}
        if content:
            headers["Content-Type"] = content_type
        return await self.client.request(method, path, content=content, headers=headers)
