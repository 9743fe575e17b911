import pytest

from nas.downstream.detection.settings import DetectorSettings


@pytest.mark.parametrize(
    ("norm", "head_norm", "expected"),
    [
        (None, "auto", "none"),
        ("frozen_bn", "auto", "none"),
        ("bn", "auto", "none"),
        ("gn", "auto", "gn"),
        ("syncbn", "auto", "syncbn"),
        ("gn", "none", "none"),
        ("bn", "bn", "bn"),
        (None, "gn", "gn"),
    ],
)
def test_norms_of_backbone_and_heads_are_chosen_together(norm, head_norm, expected):
    settings = DetectorSettings(norm=norm, head_norm=head_norm)
    assert settings.norm_of_heads == expected
    assert settings.has_conv_head == (expected != "none")
    assert DetectorSettings(norm=norm, head_norm=head_norm, box_head="conv").has_conv_head
    assert not DetectorSettings(norm=norm, head_norm=head_norm, box_head="mlp").has_conv_head


def test_unknown_norms_are_refused():
    with pytest.raises(ValueError, match="norm"):
        DetectorSettings(norm="batch")
