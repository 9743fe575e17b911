import pytest

from nas.edge_cell import EdgeCell
from nas.models.reference.descriptions import description_from_json
from nas.models.reference.names import ReferenceNetwork
from search_spaces.published import PUBLISHED


@pytest.mark.parametrize(
    "description",
    [PUBLISHED["nasnet-a"], ReferenceNetwork("resnet18-ibn-b"), EdgeCell(("conv_1x1",))],
)
def test_each_description_comes_back_from_json(description):
    assert description_from_json(description.to_json()) == description


def test_what_is_no_description():
    for value in ({}, [], {"reference": "resnet7"}):
        with pytest.raises(ValueError, match=r"an architecture must|a reference network must"):
            description_from_json(value)
