"""Every operation of the API with what its OpenAPI allows and with what it does not: none fails with 5xx.

EXAMPLES in the environment says how many of each; `make fuzz` asks for many.
"""

from __future__ import annotations

import os
from typing import Any

import pytest
import requests
import schemathesis
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode

from training.models import ModelVersion
from webapp.api import api

OPERATIONS = [found.ok() for found in schemathesis.openapi.from_dict(api.get_openapi_schema()).get_all_operations()]
CALLS = [  # with nothing to fill in, nothing can be wrong
    (operation, mode)
    for operation in OPERATIONS
    for mode in GenerationMode
    if mode is GenerationMode.POSITIVE or operation.body or any(operation.iter_parameters())
]
EXAMPLES = int(os.environ.get("EXAMPLES") or 12)
HERE = "http://testserver"


@pytest.mark.parametrize(("operation", "mode"), CALLS, ids=[f"{each.label} {mode.value}" for each, mode in CALLS])
def test_no_operation_fails(operation: Any, mode: GenerationMode, staff_client: Client, version: ModelVersion) -> None:
    known = {"slug": version.recognizer.slug, "number": version.number, "pk": version.run_id}

    @settings(max_examples=EXAMPLES, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy(generation_mode=mode), is_known=st.booleans())
    def answer(case: Case[Any], is_known: bool) -> None:
        if is_known:  # what is there is hardly ever guessed
            case.path_parameters = {name: known[name] for name in case.path_parameters or {}}
        response = send(staff_client, case)
        assert response.status_code < 500 or (response.status_code == 503 and "Retry-After" in response), response

    answer()


def send(client: Client, case: Case[Any]) -> Any:
    request = requests.Request(**case.as_transport_kwargs(base_url=HERE)).prepare()
    headers = {name: value for name, value in request.headers.items() if name.lower() not in ("cookie", "content-type")}
    return client.generic(
        request.method or "GET",
        request.path_url,
        request.body or b"",
        content_type=str(request.headers.get("Content-Type", "")),
        headers=headers,
    )
