import pytest
from PIL import Image

from experiments.training.curves import draw_training


@pytest.mark.parametrize("num_epochs", [1, 5])
def test_the_course_is_drawn(tmp_path, num_epochs):
    score = {"top1": 0.5, "top5": 0.9}
    records = [
        {"epoch": n, "loss": 1 / n, "accuracy": 0.4, "validation": {"raw": score, "ema": score}}
        for n in range(1, num_epochs + 1)
    ]
    draw_training(records, tmp_path / "curves.png", title="a training")
    with Image.open(tmp_path / "curves.png") as picture:
        assert picture.width > 800
        assert len(picture.convert("RGB").getcolors(1 << 20)) > 10
