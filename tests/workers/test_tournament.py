import dataclasses

import pytest

from nas.checkpoint import load_checkpoint
from nas.data.load import load_data
from nas.fidelity import DataSpec, Fidelity, NetworkSpec
from nas.recipe import TrainRecipe
from nas.training.evaluation import accuracy
from nas.training.state import read_state
from search_spaces.tiny import TINY
from workers.tournament import Arena, Candidate, Rules, Standing, _epochs, hold_tournament, ranked

EPOCHS = 4
RULES = Rules(grace_epochs=1, reduction_factor=2.0)
DEMAND = {"CPU": 1.0}


@pytest.fixture(scope="module")
def data():
    whole = load_data(DataSpec(validation_fraction=0.25))
    train = dataclasses.replace(whole.train, images=whole.train.images[:200], labels=whole.train.labels[:200])
    return dataclasses.replace(whole, train=train)


@pytest.fixture
def arena(data, tmp_path):
    network = NetworkSpec(num_filters=4, num_repeats=1, num_stages=2, image_size=8, in_channels=1)
    recipe = TrainRecipe(epochs=EPOCHS, batch_size=40, learning_rate=0.1, crop_padding=0, flip=False, device="cpu")
    return Arena(Fidelity(network, recipe), data, tmp_path)


def candidates(number):
    """Different cells, told apart by their place."""
    made = []
    for place in range(number):
        decisions = tuple((place * (index + 1)) % choice.num_options for index, choice in enumerate(TINY.choices))
        made.append(Candidate(f"trial-{place}", TINY.decode(decisions), seed=place))
    return made


@pytest.fixture(scope="module")
def held(ray_cluster, data, tmp_path_factory):
    """A tournament of five, with what was heard of it."""
    network = NetworkSpec(num_filters=4, num_repeats=1, num_stages=2, image_size=8, in_channels=1)
    recipe = TrainRecipe(epochs=EPOCHS, batch_size=40, learning_rate=0.1, crop_padding=0, flip=False, device="cpu")
    arena = Arena(Fidelity(network, recipe), data, tmp_path_factory.mktemp("tournament"))
    heard: list[Standing] = []
    standings = hold_tournament(candidates(5), arena, RULES, demand=DEMAND, max_workers=1, on_epoch=heard.append)
    return arena, standings, heard


@pytest.mark.ray
def test_losers_stop_early_and_the_winner_gets_the_full_budget(held):
    _, standings, heard = held
    assert {standing.name for standing in standings} == {f"trial-{place}" for place in range(5)}
    assert all(standing.error is None for standing in standings)
    lengths = [len(standing.accuracies) for standing in standings]
    assert lengths == sorted(lengths, reverse=True)
    assert lengths[0] == EPOCHS
    assert sum(lengths) < 5 * EPOCHS
    assert set(lengths) <= {1, 2, 4}  # the rungs
    assert sum(lengths) == len(heard)
    for loser in (standing for standing in standings if len(standing.accuracies) < EPOCHS):
        reached = len(loser.accuracies)
        rivals = [other.accuracies[reached - 1] for other in standings if len(other.accuracies) > reached]
        assert loser.accuracies[-1] <= max(rivals)


@pytest.mark.ray
def test_what_is_kept_of_each_candidate_is_what_was_told(held):
    arena, standings, _ = held
    for standing in standings:
        kept = read_state(arena.state_file(standing.name))
        assert tuple(kept.values["accuracies"]) == standing.accuracies
        assert arena.weights_file(standing.name).exists() == (len(standing.accuracies) == EPOCHS)
    checkpoint = load_checkpoint(arena.weights_file(standings[0].name))
    assert checkpoint.accuracy == standings[0].accuracies[-1]
    recipe = arena.fidelity.recipe
    assert accuracy(checkpoint.network, arena.data.validation, arena.data, recipe) == checkpoint.accuracy


@pytest.mark.ray
def test_nothing_is_trained_twice(held):
    arena, standings, _ = held
    before = {file: file.stat().st_mtime_ns for file in arena.folder.glob("*/*")}
    again = hold_tournament(candidates(5), arena, RULES, demand=DEMAND, max_workers=1)
    assert again == standings
    assert {file: file.stat().st_mtime_ns for file in arena.folder.glob("*/*")} == before


def test_a_candidate_that_was_interrupted_goes_on_as_if_it_was_not(arena, tmp_path):
    (candidate,) = candidates(1)
    whole = list(_epochs(candidate, dataclasses.replace(arena, folder=tmp_path / "whole")))
    cut = dataclasses.replace(arena, folder=tmp_path / "cut")
    assert [standing for standing, _ in zip(_epochs(candidate, cut), range(2), strict=False)] == whole[:2]
    assert list(_epochs(candidate, cut)) == whole
    states = [read_state(tmp_path / part / candidate.name / "state.safetensors") for part in ("whole", "cut")]
    assert states[0].values == states[1].values
    assert all(tensor.equal(states[1].tensors[name]) for name, tensor in states[0].tensors.items())


@pytest.mark.ray
def test_a_candidate_that_fails_is_last_and_stops_nobody(ray_cluster, arena):
    entrants = candidates(2)
    arena.state_file("trial-0").parent.mkdir()
    arena.state_file("trial-0").write_bytes(b"no checkpoint")
    first, last = hold_tournament(entrants, arena, RULES, demand=DEMAND)
    assert first.name == "trial-1"
    assert len(first.accuracies) == EPOCHS
    assert last.name == "trial-0"
    assert "is not a checkpoint that can be read" in last.error


def test_the_order_is_how_far_and_how_well():
    far, well, even, broken = (
        Standing("far", (0.1, 0.5)),
        Standing("well", (0.9,)),
        Standing("even", (0.9,)),
        Standing("broken", (0.9, 0.9, 0.9), "RuntimeError: no"),
    )
    assert ranked([broken, well, far, even]) == [far, even, well, broken]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"grace_epochs": 0}, "grace_epochs must be at least 1, got 0"),
        ({"reduction_factor": 1.0}, "reduction_factor must be above 1, got 1.0"),
        ({"reduction_factor": float("nan")}, "reduction_factor must be above 1, got nan"),
        ({"max_retries": -1}, "max_retries must be at least 0, got -1"),
    ],
)
def test_rules_are_checked(settings, message):
    with pytest.raises(ValueError, match=message):
        Rules(**settings)


@pytest.mark.parametrize("name", ["", "../up", "a/b", "a b", "."])
def test_a_name_must_be_fit_for_a_folder(name):
    with pytest.raises(ValueError, match="a candidate's name must be"):
        Candidate(name, TINY.decode((0,) * len(TINY.choices)), seed=0)


def test_candidates_must_have_different_names(arena):
    for entrants in ([], candidates(1) * 2):
        with pytest.raises(ValueError, match="one or more with different names"):
            hold_tournament(entrants, arena, RULES, demand=DEMAND)
