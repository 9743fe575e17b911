import dataclasses

import pytest

from nas.downstream.recipe import DenseRecipe


def test_the_rate_grows_with_the_batch_unless_there_is_no_reference():
    assert DenseRecipe().peak_rate == 0.02
    assert DenseRecipe(batch_size=4).peak_rate == pytest.approx(0.005)
    assert DenseRecipe(batch_size=4, reference_batch=0).peak_rate == 0.02


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"warmup_iterations": 90_000}, "warmup_iterations must be below iterations, 90000, got 90000"),
        (
            {"cuts": (20, 60)},
            r"cuts must be iterations before the end in falling order, below iterations, 90000, got \[20, 60\]",
        ),
        ({"cuts": (90_000,)}, "below iterations, 90000"),
        ({"scales": ()}, r"scales must be one or more sides up to max_side, 1333, got \[\]"),
        ({"scales": (640, 1400)}, r"up to max_side, 1333, got \[640, 1400\]"),
        ({"checkpoint_iterations": 30}, "checkpoint_iterations must be a multiple of record_iterations, 20, got 30"),
        ({"evaluation_iterations": 5}, "evaluation_iterations must be a multiple of record_iterations, 20, got 5"),
        ({"learning_rate": float("nan")}, "learning_rate"),
        ({"batch_size": 0}, "batch_size"),
        ({"mean": (0.5, 0.5, 0.5)}, "mean and std must both be set, or neither"),
        ({"mean": (0.5, 0.5, 0.5), "std": (0.2, 0.2, 0.0)}, "std"),
        ({"mean": (0.5,), "std": (0.2,)}, "mean"),
    ],
)
def test_what_cannot_be_trained_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        DenseRecipe(**changes)


def test_cuts_matter_only_where_the_rate_is_cut():
    recipe = DenseRecipe(iterations=1000, schedule="polynomial")
    assert recipe.cuts == DenseRecipe().cuts
    with pytest.raises(ValueError, match="cuts must be iterations before the end"):
        dataclasses.replace(recipe, schedule="cuts")
