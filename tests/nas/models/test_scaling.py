from dataclasses import replace

import pytest

from nas.architecture import Architecture, Block, Cell, Edge
from nas.fidelity import NetworkSpec
from nas.models.complexity import measure
from nas.models.presets import PRESETS
from nas.models.scaling import Budget, parse_amount, widest
from search_spaces.published import PUBLISHED

NASNET_A = PUBLISHED["nasnet-a"]
CELL = Cell((Block(Edge(0, "conv_3x3"), Edge(1, "sep_conv_3x3")), Block(Edge(2, "identity"), Edge(0, "max_pool_3x3"))))
PAIR = Architecture(CELL, CELL)
SMALL = NetworkSpec(num_repeats=1, image_size=16, num_classes=10)


def test_the_mobile_setting_is_the_widest_below_600_million():
    """NASNet-A (4 @ 1056), 1707.07012, table 3: 5.3 M parameters and 564 M multiply-adds."""
    spec, cost = widest(NASNET_A, PRESETS["imagenet-mobile"], Budget(multiply_adds=600_000_000))
    assert spec.num_filters == 44
    assert cost.num_multiply_adds == 563_638_816


@pytest.mark.parametrize("budget", [Budget(parameters=100_000), Budget(multiply_adds=5_000_000)])
def test_it_fits_and_the_next_width_does_not(budget):
    spec, cost = widest(PAIR, SMALL, budget)
    assert cost == measure(PAIR, spec)
    assert budget.holds(cost)
    assert not budget.holds(measure(PAIR, replace(spec, num_filters=spec.num_filters + 2)))
    assert replace(spec, num_filters=SMALL.num_filters) == SMALL


def test_the_tighter_of_two_bounds_decides():
    loose, tight = Budget(parameters=1_000_000), Budget(multiply_adds=5_000_000)
    both = Budget(parameters=1_000_000, multiply_adds=5_000_000)
    assert widest(PAIR, SMALL, both) == widest(PAIR, SMALL, tight)
    assert widest(PAIR, SMALL, loose)[0].num_filters > widest(PAIR, SMALL, tight)[0].num_filters


def test_larger_images_make_narrower_networks():
    budget = Budget(multiply_adds=20_000_000)
    widths = [widest(PAIR, replace(SMALL, image_size=size), budget)[0].num_filters for size in (16, 32)]
    assert widths[0] > widths[1]


def test_cells_that_give_on_an_input_are_scaled_from_one_filter_on():
    """AmoebaNet-C's reduction gives on its hidden state 1, halved: the narrowest first cell has one filter."""
    spec = replace(SMALL, image_size=32, num_stem_cells=2)
    least = measure(PUBLISHED["amoebanet-c"], replace(spec, num_filters=4))
    assert widest(PUBLISHED["amoebanet-c"], spec, Budget(parameters=least.num_parameters))[0].num_filters == 4


def test_a_budget_below_the_narrowest_network_is_refused():
    with pytest.raises(
        ValueError, match=r"at least [\d,]+ parameters and [\d,]+ multiply-adds at 16 pixels, got .* 1,000"
    ):
        widest(PAIR, SMALL, Budget(parameters=1000))


def test_a_budget_must_bound_something():
    with pytest.raises(ValueError, match="must bound parameters or multiply-adds"):
        Budget()
    for settings in ({"parameters": 0}, {"multiply_adds": -5}):
        with pytest.raises(ValueError, match="must be at least 1"):
            Budget(**settings)
    assert str(Budget(5, 6_000)) == "5 parameters and 6,000 multiply-adds"


@pytest.mark.parametrize(
    ("text", "amount"),
    [("600M", 600_000_000), ("5.3m", 5_300_000), (" 1.5 G ", 1_500_000_000), ("42", 42), ("2k", 2000)],
)
def test_amounts_as_people_write_them(text, amount):
    assert parse_amount(text) == amount


@pytest.mark.parametrize("text", ["", "M", "0", "-5M", "1,5M", "5MM", "1e9", "nan", "٣M", "9" * 40])
def test_what_is_no_amount_is_refused(text):
    with pytest.raises(ValueError, match="an amount must be a number such as 600M"):
        parse_amount(text)
