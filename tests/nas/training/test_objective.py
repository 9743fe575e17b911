import math

import pytest
import torch

from nas.fidelity import TrainRecipe
from nas.training.objective import (
    DivergedError,
    EpochSums,
    classification_loss,
    distilled_loss,
    split_output,
    training_loss,
)

LOGITS = torch.tensor([[math.log(3.0), 0.0]])  # probabilities 3/4 and 1/4
LABELS = torch.tensor([0])
CPU = torch.device("cpu")


def test_the_loss_is_the_cross_entropy():
    loss = classification_loss(LOGITS, LABELS, TrainRecipe())
    assert float(loss) == pytest.approx(-math.log(3 / 4))


def test_smoothing_spreads_a_share_of_the_target_over_all_classes():
    loss = classification_loss(LOGITS, LABELS, TrainRecipe(label_smoothing=0.2))
    assert float(loss) == pytest.approx(-0.9 * math.log(3 / 4) - 0.1 * math.log(1 / 4))


def test_the_auxiliary_head_counts_with_its_weight():
    loss = classification_loss((LOGITS, -LOGITS), LABELS, TrainRecipe(auxiliary_weight=0.4))
    assert float(loss) == pytest.approx(-math.log(3 / 4) - 0.4 * math.log(1 / 4))


def test_an_output_is_logits_with_or_without_those_of_the_auxiliary_head():
    assert split_output(LOGITS) == (LOGITS, None)
    assert split_output((LOGITS, LABELS)) == (LOGITS, LABELS)


def test_means_weigh_batches_by_their_images():
    sums = EpochSums(CPU)
    sums.add(torch.tensor(1.0), torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]]), torch.tensor([0, 0, 0]))
    sums.add(torch.tensor(3.0), torch.tensor([[0.0, 1.0]]), torch.tensor([1]))
    sums.check()
    assert sums.means() == (1.5, 0.75)
    sums.reset()
    sums.add(torch.tensor(2.0), torch.tensor([[0.0, 1.0]]), torch.tensor([0]))
    assert sums.means() == (2.0, 0.0)


@pytest.mark.parametrize("loss", [math.nan, math.inf, -math.inf])
def test_a_loss_that_is_not_finite_is_noticed_whenever_it_was(loss):
    sums = EpochSums(CPU)
    for value in (1.0, loss, 1.0):
        sums.add(torch.tensor(value), LOGITS, LABELS)
    with pytest.raises(DivergedError, match=r"must be finite, got a sum of -?(nan|inf)"):
        sums.check()
    with pytest.raises(DivergedError):
        sums.means()


def test_targets_may_be_probabilities():
    loss = classification_loss(LOGITS, torch.tensor([[0.25, 0.75]]), TrainRecipe())
    assert float(loss) == pytest.approx(-0.25 * math.log(3 / 4) - 0.75 * math.log(1 / 4))


def test_distillation_at_temperature_20():
    # student / 20 and teacher / 20 have the probabilities (3/4, 1/4) and (2/3, 1/3)
    student = torch.tensor([[20 * math.log(3.0), 0.0]])
    teacher = torch.tensor([[20 * math.log(2.0), 0.0]])
    soft = -(2 / 3) * math.log(3 / 4) - (1 / 3) * math.log(1 / 4)
    loss = distilled_loss(torch.tensor(2.0), student, teacher, TrainRecipe(distillation=0.5))
    assert float(loss) == pytest.approx(0.5 * 2.0 + 0.5 * 400 * soft, rel=1e-5)


@pytest.mark.parametrize("temperature", [1.0, 20.0])
def test_a_student_like_its_teacher_has_no_gradient_whatever_the_temperature(temperature):
    logits = torch.tensor([[1.0, 2.0, -1.0]], requires_grad=True)
    recipe = TrainRecipe(distillation=1.0, temperature=temperature)
    distilled_loss(torch.tensor(0.0), logits, logits.detach(), recipe).backward()
    assert logits.grad.abs().max() < 1e-5


def test_totals_of_several_workers_are_added_up(monkeypatch):
    others = torch.tensor([5.0, 0.0, 1.0])
    monkeypatch.setattr("nas.training.objective.sum_over_members", lambda totals: totals + others)
    sums = EpochSums(CPU)
    sums.add(torch.tensor(1.0), torch.tensor([[1.0, 0.0]]), torch.tensor([0]))
    assert sums.means() == (3.0, 0.5)


def test_sums_go_on_where_they_were_stored():
    first, second = EpochSums(CPU), EpochSums(CPU)
    batch = torch.tensor(0.1), torch.tensor([[1.0, 0.0], [1.0, 0.0]]), torch.tensor([0, 1])
    first.add(*batch)
    assert first.to_json() == {"loss": pytest.approx(0.2), "num_correct": 1, "num_images": 2}
    second.restore(first.to_json())
    for sums in (first, second):
        sums.add(*batch)
    assert second.means() == first.means() == (pytest.approx(0.1), 0.5)


def test_a_teacher_sees_the_images_and_has_no_gradient():
    recipe, images = TrainRecipe(distillation=0.5), torch.ones(1, 2, requires_grad=True)
    assert training_loss(LOGITS, images, LABELS, recipe, teacher=None) == classification_loss(LOGITS, LABELS, recipe)
    loss = training_loss(LOGITS, images, LABELS, recipe, teacher=torch.nn.Linear(2, 2))
    assert not loss.requires_grad
