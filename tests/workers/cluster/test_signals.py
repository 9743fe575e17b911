import signal
import threading

import pytest

from workers.cluster.signals import kept_signals


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
