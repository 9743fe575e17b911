from experiments.comparison.report_norms import norms_section

STAGES = [
    {"stage": 1, "all": {"bn": 0.5, "in": 0.5}, "best": {"in": 1.0}},
    {"stage": 2, "all": {"bn": 1.0}, "best": {"bn": 0.125, "gn": 0.875}},
]


def comparison(*norms):
    strategies = [{"name": name, "random": name == "random", "norms": each} for name, each in norms]
    return {"strategies": strategies}


def test_every_share_stands_in_the_table():
    page = norms_section(comparison(("ppo", STAGES), ("random", [])))
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
    assert norms_section(comparison(("ppo", []))) == ""
    assert norms_section({"strategies": [{"name": "ppo"}]}) == ""
