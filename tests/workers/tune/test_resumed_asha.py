from types import SimpleNamespace

import pytest
from ray.tune.schedulers import TrialScheduler

from workers.tune.resumed_asha import STOPPED_FILE, ResumedASHA


@pytest.fixture
def folder(tmp_path):
    for name in "abc":
        (tmp_path / name).mkdir()
    return tmp_path


def asha(folder, *, epochs=4):
    scheduler = ResumedASHA(max_t=epochs, grace_period=1, reduction_factor=2.0, folder=folder)
    scheduler.set_search_properties("accuracy", "max")
    for name in "abc":
        scheduler.on_trial_add(None, SimpleNamespace(trial_id=name))
    return scheduler


def tell(scheduler, name, epoch, accuracy, *, kept=False, stopped=False):
    result = {"training_iteration": epoch, "accuracy": accuracy, "name": name, "kept": kept, "stopped": stopped}
    action = scheduler.on_trial_result(None, SimpleNamespace(trial_id=name), result)
    assert action in (TrialScheduler.STOP, TrialScheduler.CONTINUE)
    return action == TrialScheduler.STOP


def test_a_loser_is_stopped_and_kept(folder):
    scheduler = asha(folder)
    assert not tell(scheduler, "a", 1, 0.9)
    assert tell(scheduler, "b", 1, 0.1)
    assert [(folder / name / STOPPED_FILE).exists() for name in "abc"] == [False, True, False]


def test_who_reaches_the_full_budget_has_not_lost(folder):
    assert tell(asha(folder), "a", 4, 0.9)
    assert not (folder / "a" / STOPPED_FILE).exists()


def test_what_was_decided_is_not_decided_anew_in_another_order(folder):
    scheduler = asha(folder)
    tell(scheduler, "c", 1, 0.5)  # was first, and went on
    assert not tell(scheduler, "a", 1, 0.9)
    assert tell(scheduler, "b", 1, 0.1)
    later = asha(folder)
    assert not tell(later, "a", 1, 0.9, kept=True)
    assert tell(later, "b", 1, 0.1, kept=True, stopped=(folder / "b" / STOPPED_FILE).exists())
    assert not tell(later, "c", 1, 0.5, kept=True, stopped=(folder / "c" / STOPPED_FILE).exists())
    assert not (folder / "c" / STOPPED_FILE).exists()
    assert tell(later, "b", 2, 0.0) is False  # the first at its rung
    assert tell(later, "c", 2, -1.0)  # new results are judged by all that was kept
    assert (folder / "c" / STOPPED_FILE).exists()


def test_kept_results_fill_the_rungs(folder):
    scheduler = asha(folder)
    tell(scheduler, "a", 1, 0.9, kept=True)
    assert tell(scheduler, "b", 1, 0.1)
