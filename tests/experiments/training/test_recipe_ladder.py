from experiments.config.documents import load_document
from experiments.config.kinds import TRAINING
from experiments.config.training_config import TrainingConfig
from experiments.training.recipe_ladder import ladder
from nas.fidelity import Fidelity, NetworkSpec, TrainRecipe

FULL = Fidelity(
    NetworkSpec(auxiliary=True),
    TrainRecipe(
        epochs=8, warmup_epochs=1, decay_biases=False, mixup=0.2, gradient_clip=0.0, flip=False, crop_padding=0
    ),
)


def test_tricks_are_added_one_at_a_time_up_to_the_recipe():
    rungs = ladder(FULL)
    names = [rung.name for rung in rungs]
    expected = ["warm-up", "no bias decay", "schedule", "auxiliary head", "mixup"]
    assert names == ["plain", *(f"+ {name}" for name in expected)]
    assert rungs[-1].fidelity == FULL
    plain = rungs[0].fidelity
    assert plain.network == NetworkSpec()
    assert (plain.recipe.schedule, plain.recipe.decay_every, plain.recipe.mixup) == ("step", 2.0, 0.0)
    assert rungs[1].fidelity.recipe.warmup_epochs == 1
    assert rungs[1].fidelity.recipe.mixup == 0


def test_the_bag_of_tricks_has_the_rows_of_the_paper():
    fidelity = TrainingConfig.parse(load_document("imagenet_bag_of_tricks", TRAINING)).fidelity
    names = [rung.name.removeprefix("+ ") for rung in ladder(fidelity)]
    paper = ["linear scaling", "warm-up", "zero gamma", "no bias decay", "low precision", "schedule", "label smoothing"]
    assert [name for name in names if name in [*paper, "mixup"]] == [*paper, "mixup"]
    assert "distillation" not in names
