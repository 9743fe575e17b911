from types import SimpleNamespace

from experiments.comparison.norm_usage import StageNorms
from experiments.comparison.report_norms import norms_section

STAGES = (StageNorms(1, {"bn": 0.5, "in": 0.5}, {"in": 1.0}), StageNorms(2, {"bn": 1.0}, {"bn": 0.125, "gn": 0.875}))


def comparison(*norms):
    strategies = [SimpleNamespace(name=name, random=name == "random", norms=each) for name, each in norms]
    return SimpleNamespace(strategies=strategies)


def test_every_share_stands_in_the_table():
    page = norms_section(comparison(("ppo", STAGES), ("random", ())))
    assert "Norms by stage" in page
    for part in (
        "1 of 2",
        "2 of 2",
        "best 10",
        "50.00\N{NO-BREAK SPACE}%",
        "12.50\N{NO-BREAK SPACE}%",
        "0.00\N{NO-BREAK SPACE}%",
        "PPO",
        ">in<",
        ">bn<",
    ):
        assert part in page
    assert "Random search" not in page
    assert ">ibn_b<" not in page


def test_without_a_choice_of_norms_there_is_no_section():
    assert norms_section(comparison(("ppo", ()))) == ""
    assert norms_section(comparison(("ppo", None))) == ""
