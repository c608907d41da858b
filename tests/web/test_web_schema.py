"""The server does what its OpenAPI document says: Schemathesis looks for a request that shows otherwise."""

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    ignored_auth,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)
from web_server import Running, running

from i2v_search.collection.collection import Collection
from i2v_search.web.server_settings import ServerSettings

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    unsupported_method,
    ignored_auth,
]
#: Requests of each kind for each operation; with all of them it takes about half a minute.
EXAMPLES = 8


@pytest.fixture(scope="module")
def server(sample_collection: Collection, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    unlimited = ServerSettings(rate=0, picture_rate=0)
    with running(sample_collection, tmp_path_factory.mktemp("thumbnails"), unlimited) as started:
        yield started
    sample_collection.annotations.path.unlink(missing_ok=True)  # other tests search there


def test_it_is_valid_and_describes_every_address(server: Running) -> None:
    document = server.client.get("/api/v1/openapi.json").json()
    schemathesis.openapi.from_dict(document).validate()
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            assert operation["description"], (path, method)
            assert {"401", "421", "429", "503"} <= set(operation["responses"])


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["good", "bad"])
def test_no_fault_and_no_undocumented_answer(server: Running, mode: GenerationMode) -> None:
    schema = schemathesis.openapi.from_url(f"{server.url}/api/v1/openapi.json")
    operations = [found.ok() for found in schema.get_all_operations() if isinstance(found, Ok)]
    assert len(operations) >= 15
    statuses = set().union(*(probe(operation, mode, server.url) for operation in operations))
    assert statuses >= ({200, 201, 202} if mode is GenerationMode.POSITIVE else {404, 422})


def probe(operation: Any, mode: GenerationMode, url: str) -> set[int]:
    """Send an operation what its description allows, or does not; the statuses of the answers."""
    statuses = set()

    @settings(
        max_examples=EXAMPLES,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def check(case: schemathesis.Case[Any]) -> None:
        statuses.add(case.call_and_validate(base_url=url, checks=CHECKS).status_code)

    try:
        check()
    except Unsatisfiable:
        # Nothing can be wrong with a request that has no part.
        assert mode is GenerationMode.NEGATIVE
    return statuses
