from __future__ import annotations

import pytest
from pydantic import ValidationError

from nas.fidelity import NetworkSpec
from nas.latency.settings import LatencySettings
from search_spaces.published import PUBLISHED

NASNET_A = PUBLISHED["nasnet-a"]


def test_the_full_network_replaces_that_of_the_trials():
    assert LatencySettings().network(NASNET_A, NetworkSpec(num_repeats=1)).num_repeats == 1
    full = LatencySettings(preset="imagenet-mobile", stack="4@1056", image_size=224)
    network = full.network(NASNET_A, NetworkSpec(num_repeats=1))
    assert (network.num_repeats, network.num_filters, network.image_size) == (4, 44, 224)
    assert full.is_full
    assert not LatencySettings().is_full


def test_stacks_in_filters_and_the_nearest_number_of_channels():
    assert LatencySettings(stack="3x10").network(None, NetworkSpec()).num_filters == 10
    assert LatencySettings(stack="3@769").network(NASNET_A, NetworkSpec()).num_filters == 32  # 6 @ 32 * 6 * 4 = 768


@pytest.mark.parametrize("given", [{"stack": "3"}, {"preset": "huge"}, {"threads": 0}, {"backend": "tpu"}])
def test_bad_settings(given):
    with pytest.raises(ValidationError):
        LatencySettings(**given)


def test_a_stack_of_channels_needs_cells():
    with pytest.raises(ValueError, match="cells of blocks"):
        LatencySettings(stack="3@768").network(None, NetworkSpec())
