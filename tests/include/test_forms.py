"""The trigger forms refuse what no run could do, before it begins."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest

from include import forms

WHOLE = [
    pytest.param(schema, id=f"{form}.{name}")
    for form, params in vars(forms).items()
    if form.endswith("_PARAMS")
    for name, schema in params.items()
    if schema.get("type") == "integer"
]


@pytest.mark.parametrize("schema", WHOLE)
def test_a_whole_number_has_limits_on_both_sides(schema: dict[str, Any]) -> None:
    jsonschema.validate(schema["default"], schema)
    for value in (1e30, 2**31, schema["minimum"] - 1, "5", 0.5 + schema["default"]):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(value, schema)


def test_there_are_such_numbers() -> None:
    assert len(WHOLE) > 20
