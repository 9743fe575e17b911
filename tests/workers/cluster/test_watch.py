import logging
import signal

import pytest
import ray

from workers.cluster.watch import TERMINATED, quiet_ray, watched_ray


class Node:
    """Ray's processes on this machine, of which one has ended."""

    def __init__(self, ended):
        self.ended = ended
        self.is_stopped = False

    def dead_processes(self):
        return [("dashboard", None), (self.ended, None)]

    def kill_all_processes(self, *, check_alive, allow_graceful):
        self.is_stopped = True


def test_sigterm_ends_the_block_and_is_handled_as_before_afterwards():
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as ended, watched_ray():
        signal.raise_signal(signal.SIGTERM)
    assert ended.value.code == TERMINATED == 143
    assert signal.getsignal(signal.SIGTERM) == before


@pytest.mark.parametrize("process", ["raylet", "gcs_server"])
def test_the_end_of_a_process_of_ray_ends_the_block_in_one_line(monkeypatch, process):
    node = Node(process)
    monkeypatch.setattr(ray._private.worker, "_global_node", node)
    message = f"^Ray's process {process} ended unexpectedly.+ rerun the command$"
    with pytest.raises(RuntimeError, match=message), watched_ray():
        signal.pause()
    assert node.is_stopped


def test_what_ray_prints_is_logged_in_one_line(caplog):
    before = ray._private.worker.print_to_stdstream
    with caplog.at_level(logging.WARNING), quiet_ray():
        ray._private.worker.print_to_stdstream({"lines": ["no memory", "a page of figures"]}, ignore_prefix=True)
    assert caplog.messages == ["Ray: no memory"]
    assert ray._private.worker.print_to_stdstream is before
