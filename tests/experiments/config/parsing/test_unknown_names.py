from __future__ import annotations

from experiments.config.parsing.unknown_names import closest, unknown_name


def test_nearest_name_is_offered():
    text = str(unknown_name("controller", "pop", ["random", "ppo"]))
    assert text == "unknown controller 'pop'; did you mean ppo? known: random, ppo"


def test_nothing_is_offered_when_nothing_is_near():
    assert "did you mean" not in str(unknown_name("op", "zzzz", ["identity", "conv_1x1"]))


def test_long_lists_and_long_names_are_cut():
    text = str(unknown_name("op", "x" * 5000, [f"op{i}" for i in range(1000)]))
    assert text.endswith("op39, ...")
    assert len(text) < 600


def test_the_most_similar_of_several_names_with_the_same_word_is_offered():
    assert closest("trials", ["checkpoint_trials", "num_trials"]) == "num_trials"
    assert closest("nasbench", ["nasbench_macro", "nasbench201"]) == "nasbench201"
    assert closest("size", ["image_size", "size"]) == "size"
