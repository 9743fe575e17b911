import signal
import time

import pytest
import ray

from workers.cluster.tasks import wait_for_any


@ray.remote(num_cpus=0)
def nap(seconds):
    time.sleep(seconds)


class StopError(Exception):
    """What a program's own signal handler may raise."""


def stop(*_):
    raise StopError("enough")


@pytest.mark.usefixtures("ray_cluster")
def test_it_returns_a_finished_task_or_none_and_lets_exceptions_of_signal_handlers_through():
    short, long = nap.remote(0.0), nap.remote(60.0)
    assert wait_for_any([long, short], timeout_seconds=30) == short
    assert wait_for_any([long], timeout_seconds=0.1) is None
    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, 0.5)
    with pytest.raises(StopError, match="enough"):
        wait_for_any([long], timeout_seconds=30)
    signal.signal(signal.SIGALRM, before)
    ray.cancel(long, force=True)
