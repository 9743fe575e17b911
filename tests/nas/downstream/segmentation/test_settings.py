import pytest
from pydantic import ValidationError

from nas.downstream.segmentation.settings import HeadSpec, SegmentationData


def test_defaults_are_torchvisions():
    assert HeadSpec().atrous_rates == (12, 24, 36)
    assert (HeadSpec().kind, HeadSpec().auxiliary, HeadSpec().norm) == ("fcn", False, None)
    assert SegmentationData().unlabelled == 0


@pytest.mark.parametrize(
    ("kind", "bad"),
    [
        (HeadSpec, {"kind": "unet"}),
        (HeadSpec, {"atrous_rates": (1, 2)}),
        (HeadSpec, {"norm": "ln"}),
        (HeadSpec, {"auxiliary_weight": 0}),
        (SegmentationData, {"unlabelled": 7}),
        (SegmentationData, {"most_frequent": 1}),
        (SegmentationData, {"crop": 0}),
        (SegmentationData, {"other": 1}),
    ],
)
def test_bad_values_are_refused(kind, bad):
    with pytest.raises(ValidationError):
        kind(**bad)
