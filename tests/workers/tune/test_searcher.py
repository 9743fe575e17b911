import json
import math
import time

import pytest
from ray import tune
from ray.tune.search import ConcurrencyLimiter

from controllers.ppo import PPO, PPOSettings
from controllers.random_search import RandomSearch
from controllers.regularized_evolution import EvolutionSettings, RegularizedEvolution
from controllers.reinforce import Reinforce, ReinforceSettings
from nas.architecture import Architecture
from nas.search import trial_seed
from search_spaces.nasnet import NASNET
from search_spaces.tiny import TINY
from workers.tune.searcher import TuneSearcher

CONTROLLERS = {
    "random": lambda: RandomSearch(TINY.choices, seed=0),
    "reinforce": lambda: Reinforce(TINY.choices, ReinforceSettings(batch_size=3), seed=0),
    "ppo": lambda: PPO(TINY.choices, PPOSettings(batch_size=3), seed=0),
    "evolution": lambda: RegularizedEvolution(
        TINY.choices, EvolutionSettings(population_size=4, tournament_size=2), seed=0
    ),
}


class Recorder(RandomSearch):
    """Remembers what it is told."""

    def __init__(self, choices=TINY.choices):
        super().__init__(choices, seed=0)
        self.told = []

    def tell(self, rollout, reward):
        super().tell(rollout, reward)
        self.told.append((rollout.decisions, reward))


def recording(**options):
    return TuneSearcher(TINY, Recorder(), metric="score", **options)


def rewards(searcher):
    return [reward for _, reward in searcher._controller.told]


def value_of(config):
    return sum(config["decisions"]) / 100


def test_a_config_is_plain_data_that_says_all(tmp_path):
    searcher = recording(seed=7)
    configs = [searcher.suggest(name) for name in "abc"]
    assert json.loads(json.dumps(configs)) == configs
    assert [config["trial_id"] for config in configs] == [0, 1, 2]
    assert [config["seed"] for config in configs] == [trial_seed(7, number) for number in range(3)]
    for config in configs:
        assert set(config) == {"trial_id", "seed", "decisions", "architecture"}
        assert Architecture.from_json(config["architecture"]) == TINY.decode(tuple(config["decisions"]))


@pytest.mark.parametrize(("mode", "sign"), [("max", 1), ("min", -1)])
def test_a_trial_is_told_once_when_it_is_over(mode, sign):
    searcher = recording(mode=mode)
    config = searcher.suggest("a")
    for score in (0.1, 0.3):
        searcher.on_trial_result("a", {"score": score})
    assert rewards(searcher) == []
    searcher.on_trial_complete("a", {"score": 0.2, "other": "text"})
    searcher.on_trial_complete("a", {"score": 0.9})
    assert searcher._controller.told == [(tuple(config["decisions"]), sign * 0.2)]


def test_one_that_is_stopped_while_it_pauses_is_told_what_it_reported_last():
    searcher = recording()
    searcher.suggest("a")
    searcher.on_trial_result("a", {"score": 0.25})
    searcher.on_trial_result("a", {"loss": 3.0})
    searcher.on_trial_complete("a")
    assert rewards(searcher) == [0.25]


@pytest.mark.parametrize("score", [math.nan, math.inf, -math.inf, "none", None, 10**400, [0.5]])
def test_what_is_no_finite_number_is_a_failure(score):
    for failure_reward, told in ((None, []), (-2.0, [-2.0])):
        searcher = recording(failure_reward=failure_reward, mode="min")
        searcher.suggest("a")
        searcher.on_trial_result("a", {"score": 0.5})
        searcher.on_trial_complete("a", {"score": score})
        assert rewards(searcher) == told


def test_an_error_is_a_failure_whatever_was_reported_and_may_be_made_good():
    searcher = recording(failure_reward=0.0)
    config = searcher.suggest("a")
    searcher.on_trial_result("a", {"score": 0.5})
    searcher.on_trial_complete("a", {"score": 0.6}, error=True)
    assert rewards(searcher) == [0.0]
    # Tuner.restore(..., restart_errored=True) gives the trial another name; its reports repeat the config.
    searcher.on_trial_complete("b", {"score": 0.75, "config/trial_id": 0})
    assert searcher._controller.told[1:] == [(tuple(config["decisions"]), 0.75)]


def test_a_trial_without_any_report_is_a_failure():
    searcher = recording(failure_reward=0.0)
    searcher.suggest("a")
    searcher.on_trial_complete("a")
    assert rewards(searcher) == [0.0]


def test_a_trial_of_somebody_else_is_left_out(caplog):
    searcher = recording()
    searcher.suggest("a")
    searcher.on_trial_complete("b", {"score": 0.5})
    searcher.on_trial_result("b", {"score": 0.5, "config/trial_id": "0"})
    assert rewards(searcher) == []
    assert "ignoring trial b" in caplog.text


def run_some(searcher, first, count):
    """Trials two at a time, of which one is under way at the end and each fifth fails."""
    configs = []
    for number in range(first, first + count):
        configs.append(searcher.suggest(f"t{number}"))
        if number > 0:
            config = configs[-2] if len(configs) > 1 else None
            score = value_of(config) if config else 0.125
            searcher.on_trial_complete(f"t{number - 1}", {"score": math.nan if number % 5 == 0 else score})
    return configs


@pytest.mark.parametrize("name", CONTROLLERS)
def test_restoring_gives_the_same_policy_whatever_was_told_meanwhile(name, tmp_path):
    whole, other = (
        TuneSearcher(TINY, CONTROLLERS[name](), metric="score", failure_reward=0.0, seed=2) for _ in range(2)
    )
    run_some(whole, 0, 17)
    whole.on_trial_result("t16", {"score": 0.5})
    whole.save(str(tmp_path / "state.json"))
    run_some(other, 0, 9)  # as when Tune unpickles a searcher that has been used
    other.restore(str(tmp_path / "state.json"))
    for searcher in (whole, other):
        searcher.on_trial_complete("t16")  # the one that was under way
    assert run_some(other, 17, 9) == run_some(whole, 17, 9)
    other.save(str(tmp_path / "other.json"))
    whole.save(str(tmp_path / "state.json"))
    assert (tmp_path / "other.json").read_text() == (tmp_path / "state.json").read_text()


def test_the_controller_that_was_given_stays_as_it_is():
    controller = Recorder()
    searcher = TuneSearcher(TINY, controller, metric="score")
    searcher.suggest("a")
    searcher.on_trial_complete("a", {"score": 0.5})
    assert controller.told == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.update(version=2), "version 1"),
        (lambda state: state["problem"].update(mode="min", seed=3), "another mode and another seed"),
        (lambda state: state["problem"]["choices"].pop(), "another choices"),
        (lambda state: state["told"][0].update(reward="high"), "reward must be a finite number, got 'high'"),
        (lambda state: state["told"][0]["rollout"]["decisions"].append(1), "there must be"),
        (lambda state: state["open"][0].update(number=-1), "number must be a whole number from 0, got -1"),
        (lambda state: state.pop("open"), "open"),
        (lambda state: state.update(told=3), "not iterable"),
    ],
)
def test_a_file_that_is_no_state_of_this_search_is_refused_and_changes_nothing(tmp_path, change, message):
    path = tmp_path / "state.json"
    searcher = recording()
    searcher.suggest("a")
    searcher.suggest("b")
    searcher.on_trial_complete("a", {"score": 0.5})
    searcher.save(str(path))
    state = json.loads(path.read_text())
    change(state)
    path.write_text(json.dumps(state))
    with pytest.raises(ValueError, match=r"state\.json is not the state of this search") as caught:
        searcher.restore(str(path))
    assert message in str(caught.value)
    assert rewards(searcher) == [0.5]
    assert searcher.suggest("c")["trial_id"] == 2


@pytest.mark.parametrize("text", ["", "[" * 100_000, "[]", '{"version": NaN}', "\x80\x02}q\x00."])
def test_what_is_no_json_is_refused(tmp_path, text):
    path = tmp_path / "state.json"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(ValueError, match="is not the state of this search"):
        recording().restore(str(path))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"metric": ""}, "metric must be the name"),
        ({"metric": ["a", "b"]}, "metric must be the name"),
        ({"mode": "maximum"}, "mode must be max or min, got 'maximum'"),
        ({"seed": -1}, "seed must be a whole number from 0, got -1"),
        ({"failure_reward": math.nan}, "failure_reward must be a finite number or None, got nan"),
    ],
)
def test_settings_are_checked(options, message):
    with pytest.raises(ValueError, match=message):
        TuneSearcher(TINY, Recorder(), **{"metric": "score", **options})


def test_what_the_tuner_says_must_agree():
    searcher = recording()
    assert not searcher.set_search_properties("score", "max", {"own": 1})
    assert not searcher.set_search_properties(None, None, {})
    with pytest.raises(ValueError, match="metric of the TuneConfig must be that of the searcher, 'score', got 'loss'"):
        searcher.set_search_properties("loss", "max", {})
    with pytest.raises(ValueError, match="leave trial_id, seed, decisions, architecture to the searcher, got seed"):
        searcher.set_search_properties(None, None, {"seed": 1})


def test_a_controller_of_another_space_is_named():
    searcher = TuneSearcher(TINY, Recorder(NASNET.choices), metric="score")
    with pytest.raises(ValueError, match="decisions, one for each choice"):
        searcher.suggest("a")


class Crash(tune.Callback):
    """Ends the driver's loop, as a crash would, when two trials are over, if there is a file of that name."""

    def __init__(self, armed):
        self.armed = armed

    def on_step_end(self, iteration, trials, **_):
        if self.armed.exists() and sum(trial.status == "TERMINATED" for trial in trials) == 2:
            raise RuntimeError("the driver dies")


def make_report():
    def report(config):  # within a function, so that it travels by value and no worker imports this file
        for step in (1, 2):
            tune.report({"quality": {"score": sum(config["decisions"]) * step / 100}})

    return report


def tuner(folder, callback):
    controller = PPO(TINY.choices, PPOSettings(batch_size=2), seed=0)
    searcher = TuneSearcher(TINY, controller, metric="quality/score", failure_reward=0.0)
    return tune.Tuner(
        make_report(),
        param_space={"own": 3},
        tune_config=tune.TuneConfig(
            search_alg=ConcurrencyLimiter(searcher, max_concurrent=1), num_samples=6, reuse_actors=True
        ),
        run_config=tune.RunConfig(name=folder.name, storage_path=str(folder.parent), verbose=0, callbacks=[callback]),
    )


def saved_state(folder, *, seconds=60):
    """The state of the searcher, which a thread of Tune copies to the folder."""
    for _ in range(10 * seconds):
        for path in folder.glob("nas-searcher-*.json"):
            if text := path.read_text():
                return json.loads(text)
        time.sleep(0.1)
    raise TimeoutError(f"no state of a searcher in {folder}")


def decisions_of(results):
    return sorted((result.config["trial_id"], tuple(result.config["decisions"])) for result in results)


@pytest.mark.filterwarnings("ignore")  # Ray's own
def test_a_restored_tuner_goes_on_as_if_it_had_not_stopped(ray_cluster, monkeypatch, tmp_path):
    monkeypatch.setenv("TUNE_GLOBAL_CHECKPOINT_S", "0")
    armed = tmp_path / "armed"
    whole = tuner(tmp_path / "whole", Crash(armed)).fit()
    assert [result.config["own"] for result in whole] == [3] * 6
    armed.touch()
    with pytest.raises(Exception, match="the driver dies"):
        tuner(tmp_path / "parts", Crash(armed)).fit()
    armed.unlink()
    assert 1 <= len(saved_state(tmp_path / "parts")["told"]) <= 2
    for _ in range(2):  # the second time nothing is left to do
        restored = tune.Tuner.restore(str(tmp_path / "parts"), make_report()).fit()
        assert decisions_of(restored) == decisions_of(whole)
        assert restored.num_errors == 0
