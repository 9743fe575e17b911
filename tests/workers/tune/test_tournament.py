import dataclasses
import json
import threading

import pytest

from nas.data.load import load_data
from nas.fidelity import DataSpec, Fidelity, NetworkSpec
from nas.models.checkpoint import load_checkpoint
from nas.recipe import TrainRecipe
from nas.training.evaluation import accuracy
from nas.training.run import TrainingCallbacks
from nas.training.state import read_state
from search_spaces.tiny import TINY
from workers.cluster.resources import WorkerResources
from workers.tune.tournament import (
    Candidate,
    Rules,
    Standing,
    TournamentContext,
    evaluate_winner,
    ranked,
    run_tournament,
)

EPOCHS = 4
RULES = Rules(grace_epochs=1, reduction_factor=2.0)
EACH = WorkerResources(cpus=1)
ONE_AT_A_TIME = WorkerResources(cpus=1, max_workers=1)


@pytest.fixture(scope="module")
def data():
    whole = load_data(DataSpec(validation_fraction=0.25))
    train = dataclasses.replace(whole.train, images=whole.train.images[:200], labels=whole.train.labels[:200])
    return dataclasses.replace(whole, train=train)


@pytest.fixture
def context(data, tmp_path):
    network = NetworkSpec(num_filters=4, num_repeats=1, num_stages=2, image_size=8, in_channels=1)
    recipe = TrainRecipe(epochs=EPOCHS, batch_size=40, learning_rate=0.1, crop_padding=0, flip=False, device="cpu")
    return TournamentContext(Fidelity(network, recipe), data, tmp_path)


def candidates(number):
    """Different cells, told apart by their place."""
    made = []
    for place in range(number):
        decisions = tuple((place * (index + 1)) % choice.num_options for index, choice in enumerate(TINY.choices))
        made.append(Candidate(f"trial-{place}", TINY.decode(decisions), seed=place))
    return made


@pytest.fixture(scope="module")
def held(ray_cluster, data, tmp_path_factory):
    """A tournament of four, with what was heard of it."""
    network = NetworkSpec(num_filters=4, num_repeats=1, num_stages=2, image_size=8, in_channels=1)
    recipe = TrainRecipe(epochs=EPOCHS, batch_size=40, learning_rate=0.1, crop_padding=0, flip=False, device="cpu")
    context = TournamentContext(Fidelity(network, recipe), data, tmp_path_factory.mktemp("tournament"))
    heard: list[Standing] = []
    lock = threading.Lock()  # as a terminal has one, which cannot be sent anywhere

    def hear(standing):
        with lock:
            heard.append(standing)

    standings = run_tournament(candidates(4), context, RULES, each=ONE_AT_A_TIME, on_epoch=hear)
    return context, standings, heard


def test_losers_stop_early_and_the_winner_gets_the_full_budget(held):
    _, standings, heard = held
    assert {standing.name for standing in standings} == {f"trial-{place}" for place in range(4)}
    assert all(standing.error is None for standing in standings)
    lengths = [len(standing.accuracies) for standing in standings]
    assert lengths == sorted(lengths, reverse=True)
    assert lengths[0] == EPOCHS
    assert sum(lengths) < 4 * EPOCHS
    assert set(lengths) <= {1, 2, 4}  # the rungs
    assert sum(lengths) == len(heard)
    for loser in (standing for standing in standings if len(standing.accuracies) < EPOCHS):
        reached = len(loser.accuracies)
        rivals = [other.accuracies[reached - 1] for other in standings if len(other.accuracies) > reached]
        assert loser.accuracies[-1] <= max(rivals)


def test_only_the_winner_is_tested(held):
    context, standings, _ = held
    assert not list(context.folder.glob("*/result.json"))
    result = evaluate_winner(next(each for each in candidates(4) if each.name == standings[0].name), context, each=EACH)
    (tested,) = context.folder.glob("*/result.json")
    assert tested.parent == context.folder / standings[0].name
    assert json.loads(tested.read_text()) == result
    checkpoint = load_checkpoint(tested.with_name("network.safetensors"))
    assert checkpoint.accuracy == standings[0].accuracies[-1]
    recipe = context.fidelity.recipe
    assert accuracy(checkpoint.network, context.data.validation, context.data, recipe) == checkpoint.accuracy
    assert result["test"]["raw"]["num_images"] == len(context.data.load_test())


def test_a_winner_that_cannot_be_tested_is_named(ray_cluster, context):
    (candidate,) = candidates(1)
    (context.folder / candidate.name).mkdir()
    (context.folder / candidate.name / "state.safetensors").write_bytes(b"no checkpoint")
    with pytest.raises(
        RuntimeError, match=r"the winner trial-0 could not be tested: ValueError: .* is not a safetensors file"
    ):
        evaluate_winner(candidate, context, each=EACH)


def test_nothing_is_trained_twice_or_decided_anew_in_whatever_order_the_kept_epochs_come(held, capfd):
    context, standings, _ = held
    before = {file: file.stat().st_mtime_ns for file in context.folder.glob("*/state.safetensors")}
    backwards = run_tournament(candidates(4)[::-1], context, RULES, each=ONE_AT_A_TIME)
    assert backwards == standings
    assert not capfd.readouterr().out
    assert {file: file.stat().st_mtime_ns for file in context.folder.glob("*/state.safetensors")} == before


def test_one_that_was_interrupted_goes_on_as_if_it_was_not_and_one_that_fails_is_last_and_stops_nobody(held, context):
    whole, standings, _ = held
    winner = next(each for each in candidates(4) if each.name == standings[0].name)
    broken = dataclasses.replace(winner, name="broken")
    (context.folder / "broken").mkdir()
    (context.folder / "broken" / "state.safetensors").write_bytes(b"no checkpoint")

    def interrupt(records):
        if len(records) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        context.train(winner, TrainingCallbacks(after_epoch=interrupt))
    heard: list[Standing] = []
    first, last = run_tournament([broken, winner], context, RULES, each=ONE_AT_A_TIME, on_epoch=heard.append)
    assert first == standings[0]
    assert len(first.accuracies) == EPOCHS
    assert last.name == "broken"
    assert "is not a safetensors file that can be read" in last.error
    assert [len(standing.accuracies) for standing in heard if standing.name == winner.name] == [1, 2, 3, 4]
    states = [read_state(each.folder / winner.name / "state.safetensors") for each in (whole, context)]
    assert all(tensor.equal(states[1].tensors[name]) for name, tensor in states[0].tensors.items())


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
    ],
)
def test_rules_are_checked(settings, message):
    with pytest.raises(ValueError, match=message):
        Rules(**settings)


def test_the_first_rung_is_a_ninth_of_the_budget_unless_said():
    assert [Rules().first_rung(epochs) for epochs in (1, 4, 27, 600)] == [1, 1, 3, 67]
    assert [Rules(grace_epochs=5).first_rung(epochs) for epochs in (3, 5, 27)] == [3, 5, 5]


@pytest.mark.parametrize("name", ["", "../up", "a/b", "a b", "."])
def test_a_name_must_be_fit_for_a_folder(name):
    with pytest.raises(ValueError, match="a candidate's name must be"):
        Candidate(name, TINY.decode((0,) * len(TINY.choices)), seed=0)


def test_candidates_must_have_different_names(context):
    for entrants in ([], candidates(1) * 2):
        with pytest.raises(ValueError, match="one or more with different names"):
            run_tournament(entrants, context, RULES, each=EACH)
