import pytest
import torch

from nas.fidelity import TrainRecipe
from nas.training.device import autocast, build_scaler, choose_device, choose_dtype, num_threads, seeded

CPU, CUDA = torch.device("cpu"), torch.device("cuda", 0)


@pytest.fixture
def gpu(monkeypatch):
    """A torch that believes in a GPU."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)


@pytest.fixture
def no_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


@pytest.mark.parametrize(("device", "expected"), [("auto", CUDA), ("cuda", CUDA), ("cpu", CPU)])
def test_with_a_gpu(gpu, device, expected):
    assert choose_device(TrainRecipe(device=device)) == expected


def test_without_a_gpu(no_gpu):
    assert choose_device(TrainRecipe()) == choose_device(TrainRecipe(device="cpu")) == CPU
    with pytest.raises(RuntimeError, match=r"device cuda needs a GPU .* allowed: auto, cpu"):
        choose_device(TrainRecipe(device="cuda"))


@pytest.mark.parametrize(
    ("precision", "device", "expected"),
    [
        ("auto", CUDA, torch.float16),
        ("auto", CPU, torch.float32),
        ("float32", CUDA, torch.float32),
        ("bfloat16", CPU, torch.bfloat16),
        ("float16", CUDA, torch.float16),
    ],
)
def test_precision(precision, device, expected):
    assert choose_dtype(TrainRecipe(precision=precision), device) == expected


def test_float16_needs_a_gpu():
    with pytest.raises(ValueError, match="needs CUDA, got the device cpu; allowed there: auto, float32, bfloat16"):
        choose_dtype(TrainRecipe(precision="float16"), CPU)


def test_only_other_types_than_float32_are_cast_to_and_only_float16_is_scaled():
    with autocast(CPU, torch.bfloat16):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.bfloat16
    with autocast(CPU, torch.float32):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.float32
    assert not build_scaler(CPU, torch.bfloat16).is_enabled()
    assert build_scaler(CPU, torch.float16).is_enabled()


def test_the_number_of_threads_is_put_back_even_after_an_error():
    before = torch.get_num_threads()
    seen = []

    def compute_and_fail():
        with num_threads(before + 1):
            seen.append(torch.get_num_threads())
            raise KeyError

    with pytest.raises(KeyError):
        compute_and_fail()
    assert seen == [before + 1]
    assert torch.get_num_threads() == before


def test_seeded_draws_are_repeated_and_the_generator_goes_on_as_if_nothing_had_been():
    state = torch.get_rng_state()
    draws = []
    for seed in (1, 1, 2):
        with seeded(seed, CPU):
            draws.append(torch.rand(3))
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])
    assert torch.equal(torch.get_rng_state(), state)
