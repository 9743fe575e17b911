"""Scores in several views are kept beside the result, and measured again for others."""

from experiments.downstream.detect_views import VIEWS_FILE, stored_views
from nas.downstream.detection.views import Views


def test_only_scores_of_the_same_views_are_taken(tmp_path):
    assert stored_views(tmp_path, Views((8,))) is None
    (tmp_path / VIEWS_FILE).write_text('{"views": {"scales": [8], "flip": false}, "box": {"ap": 0.5}}')
    assert stored_views(tmp_path, Views((8,)))["box"] == {"ap": 0.5}
    assert stored_views(tmp_path, Views((8,), flip=True)) is None
