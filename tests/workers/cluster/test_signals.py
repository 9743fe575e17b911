import signal
import threading
import time

import pytest
import ray

from workers.cluster.signals import kept_signals, wait_for_any


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("error", [None, RuntimeError])
def test_handlers_are_put_back_however_the_block_ends(number, error):
    before = signal.getsignal(number)
    try:
        with kept_signals():
            signal.signal(number, signal.SIG_IGN)
            if error is not None:
                raise error
    except RuntimeError:
        pass
    assert signal.getsignal(number) is before


def test_in_another_thread_there_is_nothing_to_keep():
    entered = []

    def work():
        with kept_signals():
            entered.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert entered == [True]


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
        wait_for_any([long], timeout_seconds=2)  # Ray lets the handler run at the end of a wait
    signal.signal(signal.SIGALRM, before)
    ray.cancel(long, force=True)
