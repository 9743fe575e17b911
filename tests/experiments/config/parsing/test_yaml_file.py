from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.config.parsing.yaml_file import MAX_BYTES, MAX_DEPTH, parse_yaml, read_yaml


def test_plain_data_is_read(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("search:\n  num_trials: 3\n  seeds: [1, 2.5, true, null, text]\n")
    assert read_yaml(path) == {"search": {"num_trials": 3, "seeds": [1, 2.5, True, None, "text"]}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [1", "line 1: expected"),
        ("a: 1\nb: c: d", "line 2: mapping values"),
        ("a: &x [1]\nb: *x", "line 2: references"),
        ("a: 1\nb: 2\na: 3", "line 3: key 'a' appears twice"),
        ("1: 2", "keys must be text, got '1'"),
        ("{[1]: 2}", "keys must be text"),
        ("<<: {a: 1}", "keys must be text, got '<<'"),
        ("a: !!python/object/apply:os.system [ls]", "could not determine a constructor"),
        ("a: 2020-10-10", "a timestamp is not a plain value: put it in quotes"),
        ("a: !!bool maybe", "a value does not fit its tag"),
        ("a: 1\nb: 010", "line 2: '010' is a number of base 8 or 60"),
        ("a: [1:30]", "'1:30' is a number of base 8 or 60"),
        ("a: !!set {b}", "a set is not a plain value"),
        ("a: " + "9" * 5000, "not valid YAML"),
        ("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1), f"nested deeper than {MAX_DEPTH}"),
        ("[" * 100_000, f"nested deeper than {MAX_DEPTH}"),
        ("a: 1\n---\nb: 2", "another document"),
        ("a: \x00", "special characters are not allowed"),
    ],
)
def test_hostile_text_gives_one_clear_line(text, message):
    with pytest.raises(ValueError, match="is not valid YAML") as caught:
        parse_yaml(text)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_nesting_up_to_the_limit_is_read():
    assert parse_yaml("[" * (MAX_DEPTH - 1) + "1" + "]" * (MAX_DEPTH - 1))


@given(st.text(max_size=200))
def test_no_text_gives_anything_but_a_value_or_a_value_error(text):
    with suppress(ValueError):
        parse_yaml(text)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"- 1\n- 2\n", "must hold a mapping of sections"),
        (b"", "must hold a mapping of sections, got None"),
        (b"a: \xff\xfe", "is not UTF-8 text"),
        (b"a: [", "is not valid YAML"),
        (b"#" * (MAX_BYTES + 1), f"must have at most {MAX_BYTES} bytes"),
    ],
)
def test_bad_files_are_named(tmp_path, content, message):
    path = tmp_path / "bad.yaml"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message) as caught:
        read_yaml(path)
    assert str(caught.value).startswith(str(path))
