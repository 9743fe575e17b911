"""Speed, waiting, time left and memory of a training, in a few words."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence

from experiments.runs.live_display import describe_seconds
from nas.training.results import StepReport
from nas.training.run import Record

MUCH_WAITING = 0.2
"""Share of an epoch without images from which more loaders are advised."""
_RECENT_SECONDS = 60.0


class TrainingSpeed:
    """Follows the steps of a training.

    Args:
        num_epochs: Of the whole training.
    """

    def __init__(self, num_epochs: int) -> None:
        self._num_epochs = num_epochs
        self._steps: deque[StepReport] = deque()

    def add(self, step: StepReport) -> None:
        """Takes the report of a step, of which those of the last minute are kept."""
        if self._steps and self._steps[-1].epoch != step.epoch:
            self._steps.clear()
        self._steps.append(step)
        while len(self._steps) > 2 and step.seconds - self._steps[1].seconds >= _RECENT_SECONDS:
            self._steps.popleft()

    def describe(self, records: Sequence[Record], memory: Mapping[str, int]) -> str:
        """Describes the current epoch: "1,200 images/s, 1,250 in the last minute, ..."; empty before the first step.

        Args:
            records: Of the completed epochs.
            memory: See `nas.training.results.peak_memory`.
        """
        if not self._steps:
            return ""
        waiting = describe_waiting(self._now.wait_seconds, self._now.seconds)
        return ", ".join([*self._rates(), self._left(records), *describe_memory(memory), *waiting])

    @property
    def _now(self) -> StepReport:
        return self._steps[-1]

    def _rates(self) -> Iterator[str]:
        first, now = self._steps[0], self._now
        yield f"{now.done * now.num_images / max(now.seconds, 1e-9):,.0f} images/s"
        if (seconds := now.seconds - first.seconds) > 0:
            yield f"{(now.done - first.done) * now.num_images / seconds:,.0f} in the last {min(60, round(seconds))} s"

    def _left(self, records: Sequence[Record]) -> str:
        now, done = self._now, self._now.done / self._now.num_steps
        spent = [record["seconds"] + record["validation_seconds"] for record in records]
        per_epoch = sum(spent) / len(spent) if spent else now.seconds / done
        return f"{describe_seconds(per_epoch * (self._num_epochs - now.epoch + 1 - done))} left"


def describe_waiting(waited: float, seconds: float) -> Iterator[str]:
    """Says which share of the time was spent waiting for images, if it was a lot."""
    share = waited / max(seconds, 1e-9)
    if share > MUCH_WAITING:
        yield f"{share:.0%} of the time spent waiting for images: raise recipe.num_loaders"


def describe_memory(memory: Mapping[str, int]) -> Iterator[str]:
    """Says how much memory was used at most, if it is known."""
    for key, name in (("peak_bytes", "memory"), ("peak_gpu_bytes", "GPU memory")):
        if key in memory:
            yield f"{name} {memory[key] / 1e9:,.1f} GB"
