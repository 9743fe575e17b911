from __future__ import annotations

import pytest

from experiments.architectures.op_labels import op_label


@pytest.mark.parametrize(
    ("op", "label"),
    [
        ("sep_conv_3x3", ("sep", "3\u00d73")),
        ("conv_1x7_7x1", ("conv", "1\u00d77 7\u00d71")),
        ("dil2_sep_conv_5x5", ("dilated sep", "5\u00d75")),
        ("identity", ("identity",)),
        ("my_own_op", ("my own op",)),
        ("_3x3", ("3\u00d73",)),
    ],
)
def test_labels(op: str, label: tuple[str, ...]) -> None:
    assert op_label(op) == label
