import io

import pytest
from rich.console import Console

from experiments.architectures.find import NetworkOptions
from experiments.architectures.score import ScoreOptions, print_scores, score_architectures
from nas.scores.table import ALL_SCORES

CELL, NOTHING = "|nor_conv_1x1~0|", "|none~0|"
SMALL = NetworkOptions(image_size=8, classes=4)
OPTIONS = ScoreOptions(("naswot", "num_parameters"), batch_size=4)


def test_architectures_are_scored_on_the_same_images():
    first, again, silent = score_architectures([CELL, CELL, NOTHING], SMALL, OPTIONS)
    assert first == again
    assert first.to_json()["architecture"] == CELL
    assert first.scores["num_parameters"] > silent.scores["num_parameters"] > 0
    stream = io.StringIO()
    print_scores([first, silent], Console(file=stream, width=120))
    assert f"{first.scores['num_parameters']:,.6g}" in stream.getvalue()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"scores": ("naswott",)}, "a score must be one of naswot"),
        ({"batch_size": 1}, "2 to 10,000 images"),
        ({"batch_size": 10**11}, "2 to 10,000 images"),
        ({"seed": -1}, "a seed from 0, got 64 and -1"),
    ],
)
def test_bad_options_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        ScoreOptions(**{"scores": ALL_SCORES, **changes})
