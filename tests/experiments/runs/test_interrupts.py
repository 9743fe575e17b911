from __future__ import annotations

import os
import signal
import threading

import pytest

from experiments.runs.interrupts import Interrupts


def _press_ctrl_c() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def test_first_ctrl_c_asks_to_stop_and_second_interrupts():
    said = []
    before = signal.getsignal(signal.SIGINT)
    with Interrupts(lambda: said.append("stopping")) as interrupts:
        assert not interrupts.stopping
        _press_ctrl_c()
        assert interrupts.stopping
        assert said == ["stopping"]
        with pytest.raises(KeyboardInterrupt):
            _press_ctrl_c()
        assert said == ["stopping"]
    assert signal.getsignal(signal.SIGINT) is before


def test_outside_the_main_thread_ctrl_c_is_left_alone():
    found = []

    def enter() -> None:
        with Interrupts() as interrupts:
            found.append((signal.getsignal(signal.SIGINT), interrupts.stopping))

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert found == [(signal.getsignal(signal.SIGINT), False)]
