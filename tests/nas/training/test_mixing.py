import pytest
import torch

from nas.recipe import TrainRecipe
from nas.training.mixing import build_mixer
from nas.training.objective import classification_loss

LABELS = torch.tensor([0, 1])


def mix(recipe, seed=0, size=8):
    images = torch.stack([torch.zeros(3, size, size), torch.ones(3, size, size)])
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return build_mixer(recipe, 4)(images, LABELS)


def test_nothing_is_mixed_when_everything_is_off():
    assert build_mixer(TrainRecipe(), 4) is None


def test_mixup_blends_images_and_targets_by_one_share():
    images, targets = mix(TrainRecipe(mixup=0.2))
    share = float(targets[0, 0])
    assert 0 <= share <= 1
    torch.testing.assert_close(images[0], torch.full_like(images[0], 1 - share))
    torch.testing.assert_close(images[1], torch.full_like(images[1], share))
    torch.testing.assert_close(targets, torch.tensor([[share, 1 - share, 0, 0], [1 - share, share, 0, 0]]))


def test_the_loss_of_a_mixture_is_the_mixture_of_the_losses():
    logits, recipe = torch.tensor([[1.0, 0.0, 2.0, -1.0], [0.5, 0.5, 0.0, 0.0]]), TrainRecipe(mixup=0.2)
    _, targets = mix(recipe)
    share = float(targets[0, 0])
    own, other = (classification_loss(logits, labels, TrainRecipe()) for labels in (LABELS, LABELS.flip(0)))
    expected = share * own + (1 - share) * other
    torch.testing.assert_close(classification_loss(logits, targets, recipe), expected)


def test_cutmix_pastes_a_box_and_targets_follow_its_area():
    for seed in range(5):
        images, targets = mix(TrainRecipe(cutmix=1.0), seed)
        pasted = images[0, 0] == 1
        assert torch.equal(pasted, pasted.any(1)[:, None] & pasted.any(0)[None])
        assert float(targets[0, 1]) == pytest.approx(float(pasted.float().mean()), abs=1e-6)


def test_the_share_is_drawn_from_a_beta_distribution():
    recipe = TrainRecipe(mixup=0.2)
    shares = torch.tensor([float(mix(recipe, seed, size=1)[1][0, 0]) for seed in range(300)])
    # Beta(0.2, 0.2) has mean 1/2 and variance 0.04 / (0.16 * 1.4) = 0.179; the bounds are four deviations away
    assert abs(float(shares.mean()) - 0.5) < 0.1
    assert abs(float(shares.var()) - 0.179) < 0.03


def test_with_both_each_batch_gets_one_of_them():
    recipe = TrainRecipe(mixup=1.0, cutmix=1.0)
    kinds = {bool(((images := mix(recipe, seed)[0]) % 1 == 0).all()) for seed in range(12)}
    assert kinds == {True, False}
    assert images.shape == (2, 3, 8, 8)
