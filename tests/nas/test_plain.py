import pytest

from nas.plain import PlainDescription, describe, description_from_json
from search_spaces.published import PUBLISHED


def test_equal_values_have_equal_fingerprints():
    first, second = PlainDescription({"a": 1, "b": (2,)}), PlainDescription({"b": [2], "a": 1})
    assert first == second
    assert first.fingerprint == second.fingerprint != PlainDescription({"a": 2}).fingerprint
    assert hash(first) == hash(second)
    assert first["b"] == [2]
    assert {**first} == {"a": 1, "b": [2]}
    assert (len(first), list(first), first.get("c", 5)) == (2, ["a", "b"], 5)


@pytest.mark.parametrize("value", [3, [1], None, {"arch": "x"}, {"normal": 1, "depth": 2}])
def test_what_would_be_read_back_as_something_else_is_refused(value):
    with pytest.raises(ValueError, match="must be cells, or a mapping of other keys"):
        PlainDescription(value)


@pytest.mark.parametrize("value", [{1, 2}, float("nan"), object()])
def test_what_json_cannot_hold_is_refused(value):
    with pytest.raises(ValueError, match="must be plain data that JSON can hold"):
        PlainDescription(value)


def test_descriptions_come_back_from_json():
    cells = PUBLISHED["nasnet-a"]
    assert describe(cells) is cells
    assert description_from_json(cells.to_json()) == cells
    assert describe({"depth": 3}) == description_from_json({"depth": 3}) == PlainDescription({"depth": 3})
