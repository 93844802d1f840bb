"""The interface is as `/openapi.json` describes it: calls made up from the description alone, with the widest key.

Deterministic: the same calls in every run.
"""

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.databases import Kind
from tests.serving import a_service

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
CALLS_OF_EACH = 12
ENDLESS = "/api/v1/stream"


@contextmanager
def running(database_url: str, directory: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """A service on a thread of its own; its address, and headers of the leadership."""
    ready: Future[tuple[str, dict[str, str]]] = Future()
    over = asyncio.Event()

    async def serve() -> None:
        async with a_service(database_url, directory) as service:
            ready.set_result((service.url, {"Authorization": service.client.headers["authorization"]}))
            await over.wait()

    loop = asyncio.new_event_loop()
    task = loop.create_task(serve())
    thread = threading.Thread(target=loop.run_until_complete, args=[task])
    thread.start()
    try:
        yield ready.result(timeout=60)
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join()
        loop.close()


@pytest.fixture
def service(fresh_database: Callable[[Kind], str], tmp_path: Path) -> Iterator[tuple[str, dict[str, str]]]:
    with running(fresh_database("sqlite"), tmp_path) as made:
        yield made


def test_calls_made_up_from_the_description_get_the_answers_it_promises(
    service: tuple[str, dict[str, str]],
) -> None:
    url, headers = service
    document: dict[str, Any] = httpx.get(f"{url}/openapi.json", trust_env=False, timeout=60).json()
    description = schemathesis.openapi.from_dict(document)
    description.config.update(base_url=url)
    wrong: list[str] = []
    number = 0
    for found in description.get_all_operations():
        assert isinstance(found, Ok)
        operation = found.ok()
        if operation.path == ENDLESS:
            continue
        number += 1

        @settings(
            max_examples=CALLS_OF_EACH, derandomize=True, database=None, deadline=None, phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        @given(case=operation.as_strategy())
        def answers_as_described(case: Any) -> None:
            case.call_and_validate(base_url=url, headers=headers, checks=CHECKS)

        try:
            answers_as_described()
        except AssertionError as failure:
            wrong.append(f"{operation.label}: {failure}")
        except ExceptionGroup as failures:
            wrong.append(f"{operation.label}: {failures.exceptions}")
    assert number > 60, "the whole interface is described"
    assert wrong == [], "\n".join(wrong)
