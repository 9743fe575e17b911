import matplotlib.colors as mpl_colors
import pytest

from experiments.study import figures as study_figures
from experiments.study.figures import draw_study
from experiments.study.summary import summarize


@pytest.fixture
def panels(monkeypatch):
    """The figures by name, not written."""
    figures = {}
    monkeypatch.setattr(study_figures, "save", lambda figure, path: figures.__setitem__(path.name, figure))
    return figures


def lines(axes):
    return {
        (mpl_colors.to_hex(line.get_color()), line.get_linestyle()): line.get_xydata().tolist() for line in axes.lines
    }


def test_curves_run_over_the_iterations_and_amounts_over_the_pictures(make_study_results, panels, tmp_path):
    draw_study(summarize(make_study_results(), split="train"), tmp_path)
    assert panels.keys() == {
        f"{name}.{form}" for name in ("curves", "data_val", "data_train") for form in ("png", "svg")
    }
    axes = panels["curves.png"].axes
    assert [each.get_title(loc="left") for each in axes] == [
        "AP, trained on 5",
        "AP, trained on 10",
        "AP50, trained on 5",
        "AP50, trained on 10",
    ]
    drawn = lines(axes[1])
    scratch, pretrained = study_figures._COLOURS["scratch"], study_figures._COLOURS["pretrained"]
    assert drawn[scratch, "--"] == [pytest.approx([5, 31]), pytest.approx([20, 31])]  # 2x, the mean of three seeds
    assert drawn[pretrained, "-"] == [pytest.approx([5, 41]), pytest.approx([10, 41])]
    band = axes[1].collections[0].get_paths()[0].vertices[:, 1]
    assert (band.min(), band.max()) == pytest.approx((20, 22))  # from the lowest seed to the highest, scratch at 1x
    amounts = lines(panels["data_train.svg"].axes[1])
    assert amounts[scratch, "-"] == [pytest.approx([5, 26]), pytest.approx([10, 31])]
    assert lines(panels["data_val.svg"].axes[0])[scratch, "-"] == [[5, 0], [10, 0]]


def test_all_that_is_drawn_can_be_seen(make_study_results, panels, tmp_path):
    draw_study(summarize(make_study_results(), split="train"), tmp_path)
    for axes in (axes for figure in panels.values() for axes in figure.axes):
        low, high = axes.get_ylim()
        heights = [height for points in lines(axes).values() for _, height in points]
        assert low == 0
        assert max(heights) <= high


def test_failed_trainings_and_missing_scores_leave_gaps(make_study_results, panels, tmp_path):
    results = make_study_results(2, masks=True)
    for result in results:
        if result["start"] == "scratch":
            result["error"] = "RuntimeError: no"
        for point in (*result["curve"], *result["scores"].values()):
            point["mask"] = {"ap": None, "ap50": 0.5}
    draw_study(summarize(results, split="train"), tmp_path)
    drawn = lines(panels["curves.png"].axes[0])
    assert drawn[study_figures._COLOURS["scratch"], "-"] == []
    assert len(drawn[study_figures._COLOURS["pretrained"], "-"]) == 2
    assert not any(lines(panels["curves_mask.png"].axes[0]).values())


def test_files_are_written_and_the_same_each_time(make_study_results, tmp_path, monkeypatch):
    monkeypatch.setattr(study_figures, "SPLITS", ())
    value = summarize(make_study_results(1), split="val")
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        folder.mkdir()
        assert draw_study(value, folder) == [folder / "curves.png", folder / "curves.svg"]
    assert all((second / path.name).read_bytes() == path.read_bytes() for path in first.iterdir())
