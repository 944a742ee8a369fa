from __future__ import annotations

import pytest

from webapp.templatetags.figures import percent


@pytest.mark.parametrize(("share", "shown"), [(0.974, "97.4"), (0.99951, "100.0"), (0.0, "0.0"), (0.93449, "93.4")])
def test_a_share_is_rounded_to_a_tenth_of_a_percent(share: float, shown: str) -> None:
    assert percent(share) == f"{shown}\N{NO-BREAK SPACE}%"
