from dataclasses import asdict

from nas.training.results import EpochResult, TrainResult


def test_an_epoch_goes_to_json():
    epoch = EpochResult(0.5, 0.75, 0.1, 2.0)
    assert asdict(epoch) == {"loss": 0.5, "accuracy": 0.75, "learning_rate": 0.1, "seconds": 2.0}
    assert TrainResult((epoch,), 10, 2.5).epochs[-1] is epoch
