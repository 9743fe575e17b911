"""CUDA graphs: a step of thousands of small kernels is captured once and then launched as a whole.

The rules of capture are PyTorch's (its notes on CUDA semantics, "CUDA Graphs"): the first calls run eagerly on a side
stream, the captured function reads static tensors, never synchronizes and takes no decision on values, and its random
generators are registered with the graph, so that a replay draws the numbers that an eager call would draw.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Protocol, TypeAlias

import torch
from torch import Tensor

from nas.recipe import TrainRecipe

NUM_WARMUP = 3
"""Eager calls before the capture, in which libraries and optimizers allocate what they keep."""

Caller: TypeAlias = Callable[..., None]
"""Calls a function, its first argument, with tensors, the others; the function returns nothing and works in place."""


class Stream(Protocol):
    """What `GraphedCalls` needs of a device."""

    def run(self, function: Callable[[], None]) -> None:
        """Calls a function eagerly."""

    def capture(self, function: Callable[[], None]) -> Callable[[], None]:
        """Captures the work of a function without doing it; the result does it at each call."""


_OF_THREAD = threading.local()


class CudaStream:
    """A stream of a CUDA device beside the current one, on which functions are warmed up and captured.

    A thread has one a device: cuBLAS keeps tens of megabytes for each stream that it has ever run on.

    `generators` are those that captured functions draw from, beside the default generator of the device.
    """

    def __init__(self, device: torch.device, generators: Sequence[torch.Generator] = ()) -> None:
        streams: dict[torch.device, torch.cuda.Stream] = vars(_OF_THREAD).setdefault("streams", {})
        self._stream = streams.get(device) or torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        streams[device] = self._stream
        self._generators = tuple(generators)

    def run(self, function: Callable[[], None]) -> None:
        """Calls a function on the stream, after all earlier and before all later work of the current one."""
        current = torch.cuda.current_stream()
        self._stream.wait_stream(current)
        with torch.cuda.stream(self._stream):
            function()
        current.wait_stream(self._stream)

    def capture(self, function: Callable[[], None]) -> Callable[[], None]:
        """Captures a function as a CUDA graph; returns its replay on the current stream.

        Raises RuntimeError if the function does what cannot be captured, and torch.OutOfMemoryError.
        """
        graph = torch.cuda.CUDAGraph()
        for generator in self._generators:
            graph.register_generator_state(generator)
        try:
            # thread_local: a thread of a data loader may pin memory at the same time
            with torch.cuda.graph(graph, stream=self._stream, capture_error_mode="thread_local"):
                function()
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            raise RuntimeError(
                f"the step cannot be captured as a CUDA graph ({error}); set recipe.cuda_graph to never"
            ) from error
        return graph.replay


class GraphedCalls:
    """Calls one function many times: eagerly at first, then as a graph captured at call `NUM_WARMUP` + 1.

    A call with tensors of other shapes than the captured ones, such as a smaller last batch, is eager. The function is
    an argument of each call, not kept, since an object that held its own bound method would not be freed in time.
    """

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._num_eager = 0
        self._inputs: tuple[Tensor, ...] = ()
        self._replay: Callable[[], None] | None = None

    def __call__(self, function: Callable[..., None], *inputs: Tensor) -> None:
        """Calls the function, which must be the same at each call, with tensors that it does not keep."""
        if self._replay is None and self._num_eager >= NUM_WARMUP:
            self._inputs = tuple(tensor.clone() for tensor in inputs)
            self._replay = self._stream.capture(lambda: function(*self._inputs))
        if self._replay is None or not self._fit(inputs):
            self._num_eager += 1
            self._stream.run(lambda: function(*inputs))
            return
        for static, given in zip(self._inputs, inputs, strict=True):
            static.copy_(given)
        self._replay()

    def _fit(self, inputs: Sequence[Tensor]) -> bool:
        return [tensor.shape for tensor in inputs] == [tensor.shape for tensor in self._inputs]


def graph_obstacle(recipe: TrainRecipe, device: torch.device, *, num_members: int = 1) -> str | None:
    """Returns in a few words why steps are launched kernel by kernel; None if they are captured as a CUDA graph.

    Raises ValueError if the recipe's `cuda_graph` is ``always`` and there is an obstacle.
    """
    obstacle = _obstacle(recipe, device, num_members)
    if obstacle is not None and recipe.cuda_graph == "always":
        raise ValueError(f"cuda_graph always is not possible ({obstacle}); allowed here: auto, never")
    return obstacle


def _obstacle(recipe: TrainRecipe, device: torch.device, num_members: int) -> str | None:
    if recipe.cuda_graph == "never":
        return "switched off"
    if device.type != "cuda":
        return "not a CUDA device"
    if recipe.compile:
        return "torch.compile captures its own graphs"
    if num_members > 1:
        return "several workers average their gradients"
    return None


def choose_caller(obstacle: str | None, device: torch.device, generators: Sequence[torch.Generator] = ()) -> Caller:
    """Returns `call_eagerly` if there is an obstacle to CUDA graphs, else `GraphedCalls` of the device."""
    return GraphedCalls(CudaStream(device, generators)) if obstacle is None else call_eagerly


def call_eagerly(function: Callable[..., None], *inputs: Tensor) -> None:
    """Calls the function."""
    function(*inputs)
