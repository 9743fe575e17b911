"""Draws rollouts from a policy, so that what a trial gets does not depend on what is asked beside it.

A batch of trials is one matrix product a step, and floating-point sums depend on their order, which a matrix product
chooses by its shape. Therefore states and weights are rounded to grids on which every product and every partial sum is
a whole multiple of one unit, below 2**53 of it: in float64 such sums are exact, and so the same in any order. All other
operations go element by element, or along one trial's own options in order. The grids are finer than float32 resolves
weights of this size, the type in which the policy learns.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from nas.decisions import Rollout

if TYPE_CHECKING:
    from controllers.policy import Policy

_Array: TypeAlias = NDArray[Any]
Draw: TypeAlias = tuple[tuple[int, ...], float]
"""The seed of a rollout, and the temperature to draw it at."""

_BLOCK_ROWS = 4
_MAX_KEPT = 4096  # rollouts; only a policy that is asked and never told comes to so many
_STATE_BITS = 20
_ROUND_STATE = 1.5 * 2.0 ** (52 - _STATE_BITS)  # adding it to a number within -2..2 rounds that to 2**-20


class Sampler:
    """The weights of a policy at one time, prepared for drawing."""

    def __init__(self, policy: Policy) -> None:
        weights = {name: value.detach().double().numpy() for name, value in policy.named_parameters()}
        if not all(np.isfinite(value).all() for value in weights.values()):
            raise RuntimeError(
                "the weights of the policy are not finite any more: it cannot propose anything; lower the settings of "
                "the controller that are far from their defaults, such as learning_rate or entropy_weight"
            )
        inputs, recurrent, bias_inputs, bias_recurrent = (
            _gate_columns(weights[f"lstm.{name}_l0"].T) for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        )
        inputs *= math.sqrt(len(inputs))
        decisions = weights["decision.weight"] @ inputs
        choices = weights["choice.weight"] @ inputs + bias_inputs + bias_recurrent
        heads, bias = weights["heads.weight"].T, weights["heads.bias"]
        # All heads stand beside the recurrent weights: one product gives the gates of the next step and the logits of
        # this one. Zeros fill up whole vector registers; halves, because the state comes doubled.
        padding = np.zeros((heads.shape[0], -heads.shape[1] % 8))
        self._product = torch.from_numpy(_to_grid(np.hstack([recurrent, heads, padding]) / 2))
        options = [
            slice(row, row + choice.num_options) for row, choice in zip(policy.first, policy.choices, strict=True)
        ]
        self._columns = [slice(part.start + recurrent.shape[1], part.stop + recurrent.shape[1]) for part in options]
        self._biases = [bias[part] for part in options]
        # What the LSTM reads before each step, for each option of the choice before; nothing is read after the last.
        before = [slice(len(decisions) - 1, None), *options[:-1]]
        self._inputs = [
            (decisions[part] + choice).astype(np.float32) for part, choice in zip(before, choices, strict=True)
        ]

        self._drawn: dict[Draw, Rollout] = {}

    def sample(self, draws: Sequence[Draw], *, ahead: Sequence[Draw] = ()) -> list[Rollout]:
        """Draws one rollout for each seed and temperature; the log-probability is that at temperature 1.

        What is drawn is kept, since a step costs hardly more for many rollouts than for one: who asks for more than is
        due finds it here when it is.

        Args:
            draws: seed and temperature of each.
            ahead: what may be asked for next; drawn along where any of `draws` has to be drawn.
        """
        missing = [draw for draw in dict.fromkeys(draws) if draw not in self._drawn]
        if missing:
            if len(self._drawn) > _MAX_KEPT:
                self._drawn.clear()
                missing = list(dict.fromkeys(draws))
            missing += [draw for draw in dict.fromkeys(ahead) if draw not in self._drawn and draw not in missing]
            self._drawn.update(zip(missing, self._draw(missing), strict=True))
        return [self._drawn[draw] for draw in draws]

    def _draw(self, draws: Sequence[Draw]) -> list[Rollout]:
        # In whole blocks of rows, so that the matrix product runs the same code for one trial and for many.
        uniforms = np.zeros((len(self._inputs), -(-len(draws) // _BLOCK_ROWS) * _BLOCK_ROWS))
        temperatures = np.ones((uniforms.shape[1], 1))
        for row, (seed, temperature) in enumerate(draws):
            uniforms[:, row] = np.random.default_rng(seed).random(len(uniforms))
            temperatures[row] = temperature
        decisions, log_probs = self._unroll(uniforms, temperatures)
        # fsum rounds once, whatever the order; a policy that is sure of a decision gives 0.0, never more.
        rows = zip(decisions.T.tolist(), log_probs.T.tolist(), strict=True)
        return [Rollout(tuple(row), min(0.0, math.fsum(terms))) for row, terms in islice(rows, len(draws))]

    def _unroll(self, uniforms: _Array, temperatures: _Array) -> tuple[_Array, _Array]:
        """Decisions and log-probabilities, both (num_choices, num_rollouts), for uniform numbers of that shape.

        Rollouts that have been the same so far are one row of the LSTM: those of a policy that is nearly sure part
        late. Temperatures are (num_rollouts, 1).
        """
        is_hot = bool((temperatures != 1).any())
        num_rollouts = uniforms.shape[1]
        decisions = np.zeros(uniforms.shape, dtype=np.int64)
        chosen, totals = np.empty(uniforms.shape), np.empty(uniforms.shape)
        lstm = _Lstm(self._product, num_rollouts)
        rows, read = np.zeros(num_rollouts, dtype=np.int64), np.zeros(_BLOCK_ROWS, dtype=np.int64)
        for step, (columns, bias, inputs) in enumerate(zip(self._columns, self._biases, self._inputs, strict=True)):
            logits = lstm.advance(inputs, read)[:, columns] + bias
            logits -= logits.max(axis=1, keepdims=True)
            cumulated = np.exp(logits).cumsum(axis=1)
            if not lstm.has_parted:
                logits, cumulated = logits[rows], cumulated[rows]
            totals[step] = cumulated[:, -1]
            if is_hot:
                cumulated = np.exp(logits / temperatures).cumsum(axis=1)
            threshold = uniforms[step] * cumulated[:, -1]
            decision = (cumulated[:, :-1] <= threshold[:, None]).sum(axis=1)
            decisions[step], chosen[step] = decision, logits[lstm.every, decision]
            rows, read = lstm.part(rows, decision)
        return decisions, chosen - np.log(totals)


class _Lstm:
    """The state of the LSTM for several rollouts, in buffers that serve all steps.

    Rollouts that have been the same so far share a row.

    Args:
        product: (num_units, 4 * num_units and the heads); see `Sampler`.
        num_rollouts: the most rows, in whole blocks.

    Attributes:
        every: the numbers of the rollouts.
        has_parted: whether each rollout has the row of its number.
    """

    def __init__(self, product: torch.Tensor, num_rollouts: int) -> None:
        self.every = np.arange(num_rollouts)
        self._weights = product
        self._num_units, width = product.shape
        self.has_parted = False
        self._state_buffer = torch.empty((num_rollouts, self._num_units), dtype=torch.float64)
        self._product_buffer = torch.zeros((num_rollouts, width), dtype=torch.float64)
        columns = 4 * self._num_units
        self._buffers = tuple(
            np.empty((num_rollouts, number), dtype=np.float32)
            for number in (self._num_units, self._num_units, columns, columns, columns)
        )
        self._take_rows(_BLOCK_ROWS)
        self._cell[:] = 0

    def _take_rows(self, number: int) -> None:
        """From now on, so many rows of the buffers are in use."""
        self._state, self._product = self._state_buffer[:number], self._product_buffer[:number]
        self._doubled, self._gates = self._state.numpy(), self._product.numpy()[:, : 4 * self._num_units]
        self._cell, self._change, self._read, self._active, self._shifted = (rows[:number] for rows in self._buffers)
        self._input_gate, self._forget_gate, self._output_gate, _ = np.split(self._shifted, 4, axis=1)
        self._candidate = self._active[:, 3 * self._num_units :]

    def advance(self, inputs: _Array, decision: _Array) -> _Array:
        """One step.

        sigmoid(2 x) = (tanh(x) + 1) / 2: one tanh serves all gates, and the halves are taken later, all at once. The
        state is kept doubled, rounded to its grid.

        Args:
            inputs: what does not depend on the state, of the gates, for each option of the choice before.
            decision: the option taken there (num_rows,).

        Returns:
            The gates of the next step, as far as they depend on the state, and the logits (num_rows, width).
        """
        np.copyto(self._active, self._gates, casting="same_kind")
        self._active += np.take(inputs, decision, axis=0, out=self._read, mode="clip")
        np.tanh(self._active, out=self._active)
        np.add(self._active, np.float32(1), out=self._shifted)
        np.multiply(self._input_gate, self._candidate, out=self._change)
        self._cell *= self._forget_gate
        self._cell += self._change
        self._cell *= np.float32(0.5)
        np.tanh(self._cell, out=self._change)
        np.multiply(self._output_gate, self._change, out=self._doubled)
        self._doubled += _ROUND_STATE
        self._doubled -= _ROUND_STATE
        torch.mm(self._state, self._weights, out=self._product)
        return self._product.numpy()

    def part(self, rows: _Array, decision: _Array) -> tuple[_Array, _Array]:
        """Gives rollouts that decide differently rows of their own.

        Args:
            rows: of each rollout.
            decision: of each rollout.

        Returns:
            The row of each rollout from now on, and the decision of each row.
        """
        if self.has_parted:
            return rows, decision
        _, first, later = np.unique(rows * self._weights.shape[1] + decision, return_index=True, return_inverse=True)
        self.has_parted = len(first) == len(rows)
        if self.has_parted:
            first = later = self.every
        elif len(first) % _BLOCK_ROWS:
            first = np.concatenate([first, np.repeat(first[:1], -len(first) % _BLOCK_ROWS)])
        parents = rows[first]
        cell, gates = self._cell[parents], self._gates[parents]
        self._take_rows(len(first))
        self._cell[:], self._gates[:] = cell, gates
        return later, decision[first]


def _gate_columns(weights: _Array) -> _Array:
    """From torch's order of gates (input, forget, cell, output) to (input, forget, output, cell).

    The first three are halved, as `_Lstm.advance` wants them.
    """
    first, second, cell, output = np.split(weights, 4, axis=-1)
    return np.concatenate([first / 2, second / 2, output / 2, cell], axis=-1)


def _to_grid(weights: _Array) -> _Array:
    """Rounds to the finest power of 2 with which sums of states (at most 2) times weights stay exact in float64."""
    largest = max(1.0, 2.0 * float(np.abs(weights).sum(axis=0).max()))
    unit = 2.0 ** (math.ceil(math.log2(largest)) + 1 + _STATE_BITS - 53)
    return np.ascontiguousarray(np.rint(weights / unit) * unit)
