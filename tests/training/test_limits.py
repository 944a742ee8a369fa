from __future__ import annotations

from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from training.limits import KNOWN, Limit
from webapp.environment import Environment

SECURITY = Path(__file__).parent.parent.parent / "docs" / "security.md"
SIZE = Limit("MAX_PICTURE_MB", 10, "MB", 1, 500)


@pytest.mark.parametrize(("said", "value"), [("", 10), (" 25 ", 25), ("500", 500)])
def test_a_limit_is_what_its_variable_says(monkeypatch: pytest.MonkeyPatch, said: str, value: int) -> None:
    monkeypatch.setenv("MAX_PICTURE_MB", said)

    assert SIZE.value == value


@pytest.mark.parametrize("said", ["0", "501", "10 MB", "-1", "1e3", "٣"])
def test_a_wrong_value_stops_the_start_in_a_sentence(monkeypatch: pytest.MonkeyPatch, said: str) -> None:
    monkeypatch.setenv("MAX_PICTURE_MB", said)

    assert SIZE.value == 10
    with pytest.raises(
        ImproperlyConfigured, match=r"MAX_PICTURE_MB is '.*'; expected a whole number of MB from 1 to 500"
    ):
        Environment.read()


def test_every_limit_stands_in_the_table_with_its_default() -> None:
    table = SECURITY.read_text()
    defaults = {limit.variable: f"{limit.default:,} {limit.unit}" for limit in KNOWN} | {
        "DECODERS": "cores + 2, up to 8"
    }

    missing = [name for name, default in defaults.items() if f"| `{name}` | {default} |" not in table]

    assert missing == []
