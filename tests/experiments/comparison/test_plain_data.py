from dataclasses import dataclass, field
from typing import Any

import numpy as np

from experiments.comparison.plain_data import OPTIONAL, PlainData, to_plain


@dataclass
class Inner:
    value: float
    extra: int | None = field(default=None, metadata=OPTIONAL)


@dataclass
class Outer(PlainData):
    parts: dict[str, Any]

    def json_items(self):
        return {"kind": "outer", **self.parts}


def test_nested_results_become_plain_data():
    value = Outer({"array": np.array([0.5, np.nan]), "inner": (Inner(float("inf")), Inner(1.0, 2)), "none": None})
    assert value.to_json() == {
        "kind": "outer",
        "array": [0.5, None],
        "inner": [{"value": None}, {"value": 1.0, "extra": 2}],
        "none": None,
    }


def test_floats_are_rounded_to_significant_digits():
    assert to_plain([1 / 3, 123456.789, 7, np.float64(2 / 3)], digits=3) == [0.333, 123000.0, 7, 0.667]
    assert to_plain(1 / 3) == 1 / 3
