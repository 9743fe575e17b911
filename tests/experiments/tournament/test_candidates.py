import json

import pytest

from experiments.config.training_config import TournamentSettings
from experiments.tournament.candidates import candidate_from_json, candidate_to_json, choose_candidates
from nas.trial import Failure, Success

ACCURACIES = (0.5, 0.9, 0.7, 0.8, 0.6)


@pytest.fixture
def search(write_run):
    """A run of six trials of different architectures, of which the last failed."""
    outcomes = [Success(place, accuracy, 1000, 20_000, 2.0) for place, accuracy in enumerate(ACCURACIES)]
    return write_run("search", "random", 0, outcomes=[*outcomes, Failure(5, "diverged", "no", 1.0)])


def choose(run, **settings):
    return choose_candidates(TournamentSettings(str(run), **settings))


def test_the_best_are_chosen_and_others_drawn(search):
    entrants = [entrant for entrant, _ in choose(search, top=2, random=2, seed=0)]
    assert [(entrant.trial, entrant.proxy) for entrant in entrants if entrant.chosen] == [(1, 0.9), (3, 0.8)]
    drawn = {entrant.trial for entrant in entrants if not entrant.chosen}
    assert len(drawn) == 2
    assert drawn < {0, 2, 4}
    assert [entrant.name for entrant in entrants] == [f"trial-{entrant.trial}" for entrant in entrants]


def test_the_draw_is_a_function_of_the_seed(search):
    def draw(seed):
        return [each.trial for each, _ in choose(search, top=1, random=2, seed=seed)]

    assert draw(3) == draw(3)
    assert len({tuple(draw(seed)) for seed in range(20)}) > 1


def test_too_few_architectures_are_refused(search):
    with pytest.raises(
        ValueError, match="must have 6 different successful architectures for --top 4 --random 2, got 5"
    ):
        choose(search, top=4, random=2, seed=0)


def test_what_is_no_run_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"holds no run: there is no config.yaml in it"):
        choose(tmp_path, top=2, random=2, seed=0)


def test_entrants_go_to_json_and_back(search):
    for each in choose(search, top=1, random=1, seed=0):
        assert candidate_from_json(json.loads(json.dumps(candidate_to_json(*each)))) == each


@pytest.mark.parametrize("value", [None, [], {}, {"name": "a", "trial": "1"}, "entrant"])
def test_what_is_no_entrant_is_refused(value):
    with pytest.raises(ValueError, match="a candidate must be an object with name, trial"):
        candidate_from_json(value)
