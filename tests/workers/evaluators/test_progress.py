from __future__ import annotations

from workers.evaluators.progress import TrialProgress, read_progress


def test_shares_are_told_and_removed_at_the_end(tmp_path):
    with TrialProgress(str(tmp_path), 3) as progress:
        progress(0.25)
        progress(0.5)  # within a second
        assert read_progress(tmp_path) == {3: 0.25}
    assert read_progress(tmp_path) == {}


def test_other_files_and_torn_ones_are_passed_over(tmp_path):
    for name, text in (("trial-2", "0.5"), ("trial-1", "0.75"), ("trial-x", "0.1"), ("trial-4", ""), ("notes", "0.2")):
        (tmp_path / name).write_text(text)
    assert read_progress(tmp_path) == {1: 0.75, 2: 0.5}


def test_a_folder_that_is_not_there_is_no_error(tmp_path):
    with TrialProgress(str(tmp_path / "none"), 1) as progress:
        progress(0.5)
    with TrialProgress(None, 1) as progress:
        progress(0.5)
    assert read_progress(tmp_path / "none") == {}
