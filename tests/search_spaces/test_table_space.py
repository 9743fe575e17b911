"""Spaces made from the names in a table."""

import pytest

from search_spaces.table_space import NamedArchitecture, TableSpace


def test_each_position_has_the_options_that_occur_there():
    space = TableSpace.of([("3", "add"), ("10", "concat"), ("3", "concat")], "{}|{}")
    assert space.options == (("3", "10"), ("add", "concat"))  # numbers by size
    assert [choice.num_options for choice in space.choices] == [2, 2]
    assert len({choice.kind for choice in space.choices}) == 2
    assert space.decode((1, 0)) == NamedArchitecture("10|add")


def test_with_a_kind_all_positions_share_their_options():
    space = TableSpace.of(["012", "110"], "x{}-{}{}", kind="op")
    assert [choice.num_options for choice in space.choices] == [3, 3, 3]
    assert {choice.kind for choice in space.choices} == {"op"}
    assert space.decode((2, 0, 1)).arch == "x2-01"


def test_decisions_are_checked_and_fingerprints_differ():
    space = TableSpace.of(["01", "10"], "{}{}", kind="op")
    assert len({space.decode((a, b)).fingerprint for a in (0, 1) for b in (0, 1)}) == 4
    with pytest.raises(ValueError, match=r"options 0\.\.1, got 2"):
        space.decode((0, 2))
