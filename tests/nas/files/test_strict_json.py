import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nas.files.strict_json import MAX_DEPTH, parse_json

plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@settings(max_examples=100, deadline=None)
@given(plain, st.booleans())
def test_plain_data_come_back(value, as_bytes):
    text = json.dumps(value)
    assert parse_json(text.encode() if as_bytes else text) == value


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet='[]{}",:\\01.eE-tnu \ud800é', max_size=60) | st.binary(max_size=30))
def test_no_text_gives_anything_but_a_value_or_a_value_error(text):
    try:
        parse_json(text)
    except ValueError:
        return


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("NaN", "must be finite, got NaN"),
        ("[-Infinity]", "must be finite, got -Infinity"),
        ("1e999", "must be finite, got 1e999"),
        ("1" + 10_000 * "0", "4300 digits"),
        ('{"a": 1, "b": 2, "a": 1}', "keys must be unique, got 'a' twice"),
        (b'"\xff"', "not UTF-8"),
        (100_000 * "[", f"nested deeper than {MAX_DEPTH}"),
        (900 * '{"a":[' + 900 * "]}", "nested deeper"),
        (65 * "[" + 65 * "]", "nested deeper"),
        (65 * "[], " + 65 * "[", "nested deeper"),
        ("", "Expecting value"),
        ("1 2", "Extra data"),
    ],
)
def test_what_is_refused(text, message):
    with pytest.raises(ValueError, match=message):
        parse_json(text)


def test_depth_counts_brackets_that_are_no_text_and_those_open_at_once():
    assert parse_json(MAX_DEPTH * "[" + MAX_DEPTH * "]") is not None
    assert parse_json("[" + "[], " * 500 + "[]]") == 501 * [[]]
    assert parse_json(json.dumps(['"[[' * 100])) == ['"[[' * 100]
    assert math.isclose(parse_json("1e300"), 1e300)
