import pytest

from nas.trial import Success
from workers.pools.bundle import MAX_CHILDREN, TASK_SECONDS, BundleSize, Report


def told(size, *child_seconds):
    for seconds in child_seconds:
        size.add(Report((Success(1, 0.5),), seconds))
    return size.size


def test_nothing_is_bundled_before_the_first_child_has_ended():
    size = BundleSize()
    assert size.size == 1
    size.add(Report())
    assert size.size == 1


@pytest.mark.parametrize(
    ("seconds", "number"), [(0.0, MAX_CHILDREN), (TASK_SECONDS / 4, 4), (TASK_SECONDS, 1), (60, 1)]
)
def test_a_bundle_of_even_children_takes_about_as_long_as_a_task_may(seconds, number):
    assert told(BundleSize(), *[seconds * 0.999] * 100) == number


def test_short_children_are_believed_after_a_while_and_a_long_one_at_once():
    size = BundleSize()
    assert told(size, 0.0, 0.0) == 1
    assert 1 < told(size, *[0.0] * 6) < MAX_CHILDREN
    assert told(size, *[0.0] * 20) == MAX_CHILDREN
    assert told(size, 1.0) == 1
    assert told(size, *[0.0] * 10) == 1


def test_seconds_are_those_of_all_children_of_a_report():
    size = BundleSize()
    for _ in range(100):
        size.add(Report(tuple(Success(number, 0.5) for number in range(10)), TASK_SECONDS))
    assert size.size in (9, 10)


def test_bundles_can_be_forbidden():
    assert told(BundleSize(1), *[0.0] * 100) == 1
