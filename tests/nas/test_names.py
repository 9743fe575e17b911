from __future__ import annotations

import pytest

from nas.models.normalization import NORMALIZATIONS
from nas.models.operations import OPERATIONS
from nas.names import NORMALIZATION_NAMES, OPERATION_NAMES, check_known


def test_the_names_are_those_of_the_tables_in_their_order():
    assert tuple(OPERATIONS) == OPERATION_NAMES
    assert tuple(NORMALIZATIONS) == NORMALIZATION_NAMES


def test_the_first_unknown_name_is_refused():
    check_known("ops", ("identity",), OPERATION_NAMES)
    with pytest.raises(ValueError, match="ops must be among a, b, got 'c'"):
        check_known("ops", ("a", "c", "d"), iter("ab"))
