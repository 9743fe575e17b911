from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from controllers.ppo import PPO, PRESETS, PPOSettings
from controllers.random_search import RandomSearch
from controllers.surrogate import Surrogate
from experiments.config.documents import config_names, load_document
from experiments.config.kinds import SEARCH
from experiments.config.parsing.yaml_file import parse_yaml
from experiments.config.search_config import CONTROLLERS, EVALUATORS, SPACES, SearchConfig
from nas.rewards import REWARDS, Accuracy, CostedAccuracy
from search_spaces.nasnet import NASNET

MINIMAL = {"search": {"num_trials": 3}}
SHIFTED = {**MINIMAL, "shifts": {"reward": ["blur"]}}


def test_what_is_left_out_has_defaults():
    config = SearchConfig.parse(MINIMAL)
    assert config.space == NASNET
    assert config.controller == PPOSettings()
    assert config.reward == Accuracy()
    assert config.fidelity.data.name == "digits"
    assert config.workers.keep_weights == 10


@pytest.mark.parametrize("name", config_names(SEARCH))
def test_configurations_of_the_package_are_valid_and_come_back(name):
    config = SearchConfig.parse(load_document(name, SEARCH))
    document = config.to_document()
    assert SearchConfig.parse(json.loads(json.dumps(document))) == config
    assert SearchConfig.parse(document).to_document() == document


@pytest.mark.parametrize("name", config_names(SEARCH))
def test_every_comparison_differs_in_its_controller_only(name):
    if not name.endswith("_random"):
        return
    baseline, other = (SearchConfig.parse(load_document(n, SEARCH)) for n in (name, name.replace("_random", "_ppo")))
    assert baseline.fidelity == other.fidelity
    assert (baseline.space, baseline.search, baseline.workers) == (other.space, other.search, other.workers)
    assert (baseline.controller_name, other.controller_name) == ("random", "ppo")


def test_cifar_searches_have_the_papers_proxy():
    fidelity = SearchConfig.parse(load_document("cifar10_ppo", SEARCH)).fidelity
    assert (fidelity.network.num_repeats, fidelity.network.num_filters, fidelity.recipe.epochs) == (2, 32, 20)
    assert fidelity.data.num_train is None
    assert fidelity.data.validation_fraction == 0.1  # 5,000 of 50,000


@pytest.mark.parametrize("name", list(CONTROLLERS))
def test_every_controller_is_built(name):
    config = SearchConfig.parse({**MINIMAL, "controller": name, "space": "tiny"})
    controller = config.build_controller()
    rollout = controller.ask([0])[0]
    config.space.decode(rollout.decisions)


_NEEDED = {"costed_accuracy": ", target_multiply_adds: 1e6, exponent: -0.1", "metric": ", metric: naswot"}
SCORED = {"reward": {"name": "metric", "metric": "naswot"}, "search": {"num_trials": 3, "failure_reward": None}}
_BASES = {"shifted_accuracy": SHIFTED, "zero_cost": SCORED}
_TABLES = {"space": SPACES, "controller": CONTROLLERS, "reward": REWARDS, "evaluator": EVALUATORS}


@pytest.mark.parametrize(("section", "name"), [(section, name) for section, table in _TABLES.items() for name in table])
def test_every_entry_of_a_table_can_be_named_in_yaml(section, name):
    base = _BASES.get(name, MINIMAL)
    text = f"{section}: {{name: {name}{_NEEDED.get(name, '')}}}"
    config = SearchConfig.parse({**base, **parse_yaml(text)})
    assert getattr(config, f"{section}_name") == name
    assert config.to_document()[section]["name"] == name
    if name not in _NEEDED:
        assert SearchConfig.parse({**base, **parse_yaml(f"{section}: {name}")}) == config
    with pytest.raises(ValueError, match=f"unknown {section} '{name}x'"):
        SearchConfig.parse({**MINIMAL, section: f"{name}x"})


def test_controllers_get_settings_and_seed():
    config = SearchConfig.parse(
        {"search": {"num_trials": 3, "seed": 5}, "controller": {"name": "ppo", "batch_size": 7}}
    )
    controller = config.build_controller()
    assert isinstance(controller, Surrogate)
    assert isinstance(controller.controller, PPO)
    assert controller.controller.settings == PPOSettings(batch_size=7)
    assert isinstance(SearchConfig.parse({**MINIMAL, "controller": "random"}).build_controller(), RandomSearch)


@pytest.mark.parametrize(
    ("sections", "wrapper"),
    [
        ({}, "surrogate"),
        ({"controller": "evolution"}, "none"),
        ({"controller": {"name": "ppo", "preset": "nasnet"}}, "none"),
        ({"controller": {"name": "ppo", "preset": "nasnet"}, "wrapper": "fresh"}, "fresh"),
        ({"controller": "random", "wrapper": {"name": "surrogate", "num_draws": 7}}, "surrogate"),
    ],
)
def test_each_controller_has_its_wrapper_unless_one_is_named(sections, wrapper):
    config = SearchConfig.parse({**MINIMAL, **sections})
    assert config.wrapper_name == wrapper
    assert SearchConfig.parse(config.to_document()) == config


def test_wrappers_are_built_with_their_settings():
    section = {"name": "surrogate", "num_draws": 7}
    wrapped = SearchConfig.parse({**MINIMAL, "controller": "random", "wrapper": section}).build_controller()
    assert wrapped.settings.num_draws == 7
    assert isinstance(wrapped.controller, RandomSearch)


@pytest.mark.parametrize(
    ("wrapper", "message"),
    [
        ("surogate", "did you mean surrogate"),
        ({"name": "fresh", "draws": 3}, "unknown key in section wrapper 'draws'; did you mean num_draws"),
        ({"name": "none", "num_draws": 3}, "wrapper none has no settings, got num_draws"),
        ({"name": "surrogate", "plain_share": 2}, "wrapper.plain_share"),
    ],
)
def test_wrappers_that_are_none_are_refused(wrapper, message):
    with pytest.raises(ValueError, match=message):
        SearchConfig.parse({**MINIMAL, "wrapper": wrapper})


@pytest.mark.parametrize(("num_redraws", "wrapper"), [(10, "fresh"), (0, "none")])
def test_configurations_of_earlier_versions_are_read(num_redraws, wrapper):
    """PPO once drew repeats again by itself."""
    section = {"name": "ppo", "batch_size": 7, "num_redraws": num_redraws, "redraw_heat": 1.2}
    config = SearchConfig.parse({**MINIMAL, "controller": section})
    assert config.controller == PPOSettings(batch_size=7)
    assert config.wrapper_name == wrapper


def test_a_preset_is_the_base_of_the_settings():
    section = {"name": "ppo", "preset": "nasnet", "batch_size": 7}
    settings = SearchConfig.parse({**MINIMAL, "controller": section}).controller
    assert settings.learning_rate == PRESETS["nasnet"].learning_rate == 0.00035
    assert settings.batch_size == 7


def test_a_space_keeps_what_is_not_replaced():
    space = SearchConfig.parse({**MINIMAL, "space": {"name": "nasnet", "norms": ["bn"], "num_blocks": 4}}).space
    assert (space.norms, space.num_blocks, space.ops) == (("bn",), 4, NASNET.ops)


def test_a_reward_has_settings():
    section = {"name": "costed_accuracy", "target_multiply_adds": 1e6, "exponent": -0.1}
    assert SearchConfig.parse({**MINIMAL, "reward": section}).reward == CostedAccuracy(1e6, -0.1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("search: {num_trails: 3}", "did you mean num_trials?"),
        ("search: {num_trials: -3}", "search.num_trials: .*got -3"),
        ("controller: pop", "unknown controller 'pop'; did you mean ppo?"),
        ("controller: {name: [1]}", "unknown controller"),
        ("controller: {name: ppo, preset: nasnot}", "unknown preset of controller ppo 'nasnot'; did you mean nasnet?"),
        ("controller: {name: ppo, learning_rat: 1}", "did you mean learning_rate?"),
        ("controller: {name: ppo, learning_rate: -1}", "controller.learning_rate: "),
        ("controller: {name: random, batch_size: 3}", "controller random has no settings, got batch_size"),
        ("space: nasnett", "unknown space 'nasnett'; did you mean nasnet?"),
        ("space: {ops: [sep_conv_3x4]}", "unknown op in space.ops 'sep_conv_3x4'; did you mean sep_conv_3x3?"),
        ("space: {norms: [bm]}", "unknown norm in space.norms 'bm'"),
        ("space: {combines: [multiply]}", "space: combine must be one of add, concat"),
        ("space: {ops: []}", "space.ops: "),
        ("space: {name: nasbench201, ops: [nor_conv_5x5]}", "unknown op in space.ops 'nor_conv_5x5'; did you mean"),
        ("{space: nasbench201, network: {auxiliary: true}}", r"network\.auxiliary does not apply"),
        ("space: {num_blocks: 0}", "space.num_blocks: .*got 0"),
        ("space: {appearance_stages: [0, 4]}", "space.appearance_stages must be at most network.num_stages, 3, got 4"),
        ("space: {block: 3}", "unknown key in section space 'block'"),
        ("reward: speed", "unknown reward 'speed'"),
        ("reward: {name: costed_accuracy}", "reward.target_multiply_adds: Field required"),
        ("data: {name: digit}", "unknown data set in data.name 'digit'; did you mean digits?"),
        ("data: {validation_fraction: 1}", "data.validation_fraction: "),
        ("network: {num_filters: 3}", "network: num_filters must be divisible by 2"),
        ("recipe: {epochs: many}", "recipe.epochs: .*got 'many'"),
        ("recipe: {distillation: 0.5}", "recipe.distillation is for `nas train`"),
        ("recipe: {ema_decay: 0.9}", "recipe.ema_decay is for `nas train`"),
        ("recipe: {mixup: -1}", "recipe.mixup: .*got -1"),
        ("evaluator: zero_cost", "evaluator zero_cost needs a reward .* one of naswot.*, got Accuracy"),
        (
            "{evaluator: zero_cost, reward: {name: metric, metric: zen}}",
            "evaluator zero_cost needs a reward .* one of naswot.*, got metric zen",
        ),
        (
            "{evaluator: zero_cost, reward: {name: metric, metric: naswot}}",
            "search.failure_reward must be null with evaluator zero_cost, .*got 0",
        ),
        ("evaluator: {name: zero_cost, scores: [nas_wot]}", "evaluator: a score must be one of naswot, .*got nas_wot"),
        ("search: {num_trials: 3, rungs: {epochs: [4, 1]}}", "search.rungs.*: rungs must rise, got 4, 1"),
        (
            "search: {num_trials: 3, rungs: {epochs: [4, 20]}}",
            "search.rungs: rungs must be below the epochs of a training, 20, got 20",
        ),
        (
            "search: {num_trials: 3, rungs: {scores: [nas_wot]}}",
            "search.rungs: a score must be one of naswot, .*got nas_wot",
        ),
        ("search: {num_trials: 3, rungs: {scores: []}}", "search.rungs: scores must be one or more.*got none"),
        (
            "search: {num_trials: 3, rungs: {scores: [snip, snip]}}",
            "search.rungs: scores must be .*each once",
        ),
        ("search: {num_trials: 3, rungs: {scores: snip}}", "search.rungs.scores: .*tuple"),
        ("search: {num_trials: 3, rungs: {epochs: [0, 1]}}", "search.rungs: a rung of 0 epochs needs scores, got none"),
        (
            "{evaluator: zero_cost, search: {num_trials: 3, rungs: {scores: [snip]}}}",
            "search.rungs needs an evaluator that can pause, train_and_validate, got zero_cost",
        ),
        ("search: {num_trials: 3, rungs: {eta: 1}}", "search.rungs.eta: .*greater than 1"),
        (
            "{evaluator: zero_cost, search: {num_trials: 3, rungs: {first: 1}}}",
            "search.rungs needs an evaluator that can pause, train_and_validate, got zero_cost",
        ),
        (
            "{evaluator: shared_weights, recipe: {compile: true}}",
            "recipe.compile must be false with evaluator shared_w",
        ),
        (
            "{evaluator: shared_weights, shifts: {reward: [contrast]}}",
            "shifts.reward must be empty with evaluator shared_weights, .*got contrast",
        ),
        (
            "{evaluator: shared_weights, search: {num_trials: 3, deterministic: true}}",
            "search.deterministic needs workers.pool serial with evaluator shared_weights: .*got ray",
        ),
        (
            "{evaluator: shared_weights, search: {num_trials: 3, rungs: {first: 1}}}",
            "search.rungs needs an evaluator that can pause, train_and_validate, got shared_weights",
        ),
        ("evaluator: {name: shared_weights, steps: 0}", "evaluator.steps: .*greater than or equal to 1"),
        ("workers: {gpus: .nan}", "workers.gpus: "),
    ],
)
def test_bad_configurations_give_one_clear_line(text, message):
    with pytest.raises(ValueError, match=message) as caught:
        SearchConfig.parse({**MINIMAL, **parse_yaml(text)})
    assert "\n" not in str(caught.value)


def test_scores_need_an_evaluator_that_scores(set_evaluator):
    set_evaluator(lambda _trial, **_arguments: None, "pausing", takes=("states_dir",))
    document = {**MINIMAL, "evaluator": "pausing"}
    SearchConfig.parse({**document, "search": {"num_trials": 3, "rungs": {"first": 1}}})
    message = "search.rungs.scores needs an evaluator that can score, train_and_validate, got pausing"
    with pytest.raises(ValueError, match=message):
        SearchConfig.parse({**document, "search": {"num_trials": 3, "rungs": {"scores": ["snip"]}}})


def test_num_trials_must_be_given():
    with pytest.raises(ValueError, match=r"search\.num_trials: Field required"):
        SearchConfig.parse({})


_PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=6,
)
_KEYS = st.sampled_from(["name", "ops", "norms", "seed", "num_trials", "epochs", "gpus", "resources", "root"])


@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=150, deadline=None)
@given(
    st.dictionaries(st.sampled_from(SEARCH.sections), _PLAIN | st.dictionaries(_KEYS, _PLAIN, max_size=3), max_size=4)
)
def test_no_document_gives_anything_but_a_configuration_or_a_value_error(document):
    try:
        config = SearchConfig.parse(document)
    except ValueError:
        return
    assert SearchConfig.parse(config.to_document()) == config
