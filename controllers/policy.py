"""The policy of the gradient-based controllers: a one-layer LSTM (NASNet, 1707.07012, appendix A.2).

The LSTM takes one step per choice. It reads the previous decision and an embedding of the current choice, and a head
maps its state to one logit per option. Decision embeddings and heads are shared by choices of a kind, or each choice
has its own, as in the paper; options that a choice does not have are masked. With shared ones and without the choice
embedding the states of two consecutive steps hardly differ early in training. Embeddings are scaled by the square root
of their size (1706.03762, section 3.4), because initial weights within -0.1..0.1 would leave the LSTM with almost no
input.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from controllers.numerics import one_thread
from nas.decisions import Choice, Rollout, check_decisions
from nas.fronts import preference

NUM_UNITS = 100
EMBEDDING_SIZE = 32
INITIAL_RANGE = 0.1
_MIXTURE_GAIN = 3.0  # so that the weights of the objectives count as much as the last decision from the start
_MASKED = -1e9  # finite, so that a probability of 0 times its logarithm is 0 and not NaN
_Array: TypeAlias = NDArray[Any]


class Policy(nn.Module):
    """A distribution over the decisions of a search space.

    Initial weights are uniform within -0.1..0.1 (1707.07012, A.2). With `choice_embedding` the LSTM reads which choice
    is current; the paper names no such input. With `shared`, choices of a kind share decision embeddings and heads; the
    paper has one softmax for each choice. With `num_objectives` it reads the weights of the objectives at every step,
    so that one policy proposes for every mixture of them.

    Attributes:
        choices: the decisions to be made, in order.
        options: for each choice, the slice of its options in tables with a row for each option of each kind, or of each
            choice if none is shared.
    """

    def __init__(
        self,
        choices: Sequence[Choice],
        *,
        seed: int,
        choice_embedding: bool = True,
        shared: bool = True,
        num_objectives: int = 0,
    ) -> None:
        if not choices:
            raise ValueError("a policy needs at least 1 choice, got none")
        super().__init__()
        self.choices = tuple(choices)
        self.num_objectives = num_objectives
        self.options, total = _option_slices(self.choices, shared=shared)
        with torch.device("meta"):  # so that construction draws nothing from torch's global generator
            self.decision = nn.Embedding(total + 1, EMBEDDING_SIZE)  # the last row is read at the first step
            self.choice = nn.Embedding(len(self.choices), EMBEDDING_SIZE)
            self.lstm = nn.LSTM(EMBEDDING_SIZE, NUM_UNITS)
            self.heads = nn.Linear(NUM_UNITS, total)
            if num_objectives:
                self.mixture = nn.Linear(num_objectives, EMBEDDING_SIZE, bias=False)
        self.to_empty(device="cpu")
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for weight in self.parameters():
                weight.uniform_(-INITIAL_RANGE, INITIAL_RANGE, generator=generator)
            if num_objectives:
                self.mixture.weight *= _MIXTURE_GAIN
            if not choice_embedding:
                self.choice.weight.zero_()
                self.choice.weight.requires_grad = False
        self._starts = torch.tensor([[options.start] for options in self.options])
        self._mask = torch.full((len(self.choices), 1, total), _MASKED)
        for step, options in enumerate(self.options):
            self._mask[step, 0, options] = 0.0

    @one_thread()
    def sample(self, seeds: Sequence[Sequence[int]], weights: _Array | None = None) -> list[Rollout]:
        """Draws one rollout per seed, all in one batch.

        Rounding depends on the size of the batch: bit-identical rollouts need batches of equal size.

        Args:
            seeds: seeds of numpy generators, such as (run seed, trial id).
            weights: of the objectives, of shape (number of seeds, objectives); None without objectives.

        Raises:
            RuntimeError: if the weights are no longer finite.
        """
        if not seeds:
            return []
        uniforms = np.array([np.random.default_rng(seed).random((len(self.choices), 1)) for seed in seeds])
        tensors = self._numpy_weights()
        of_decision, of_choice = _input_terms(tensors)
        of_mixture = 0.0 if weights is None else _mixture_terms(tensors, weights)
        recurrent, heads, bias = _recurrent_weights(tensors), tensors["heads.weight"].T, tensors["heads.bias"]
        state = cell = np.zeros((len(seeds), NUM_UNITS), np.float32)
        read, states, rows = np.full(len(seeds), len(of_decision) - 1), [], []
        for step, options in enumerate(self.options):
            state, cell = _lstm_cell(state @ recurrent + of_decision[read] + of_choice[step] + of_mixture, cell)
            read = options.start + _draw(state @ heads[:, options] + bias[options], uniforms[:, step])
            states.append(state)
            rows.append(read)
        with torch.no_grad():
            log_probs = self._log_probs(torch.from_numpy(np.stack(states)))
        chosen = torch.from_numpy(np.stack(rows))
        totals = log_probs.gather(2, chosen[:, :, None]).squeeze(2).double().sum(dim=0)
        decisions = (chosen - self._starts).T
        return [Rollout(tuple(row), total) for row, total in zip(decisions.tolist(), totals.tolist(), strict=True)]

    def score(self, decisions: Tensor, weights: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Returns log-probabilities and entropies of decisions, of shape (num_rollouts, num_choices), in nats.

        Both have the shape (num_choices, num_rollouts) and are differentiable; `weights` are as in `sample`.
        """
        rows = decisions.T + self._starts
        log_probs = self._log_probs_along(rows, weights)
        return log_probs.gather(2, rows[:, :, None]).squeeze(2), -(log_probs.exp() * log_probs).sum(dim=-1)

    def weights_of(self, trial_ids: Sequence[int]) -> _Array | None:
        """Weights of the objectives for trials, of shape (trials, objectives); None without objectives."""
        if not self.num_objectives:
            return None
        return np.array([preference(trial_id, self.num_objectives) for trial_id in trial_ids])

    def preferences(self, *, num_rollouts: int, seed: int) -> list[list[float]]:
        """Estimates the probability of each option of each choice, over all ways to make the decisions before it.

        It is the mean of the conditional probabilities along rollouts that the policy draws.
        """
        weights = self.weights_of(range(num_rollouts))
        drawn = self.sample([(seed, number) for number in range(num_rollouts)], weights)
        rows = torch.tensor([rollout.decisions for rollout in drawn]).T + self._starts
        with torch.no_grad():
            means = self._log_probs_along(rows, as_tensor(weights)).exp().mean(dim=1)
        return [mean[options].tolist() for mean, options in zip(means, self.options, strict=True)]

    def _log_probs_along(self, rows: Tensor, weights: Tensor | None = None) -> Tensor:
        """Log-probabilities as of `_log_probs`, given the rows of decisions (num_choices, num_rollouts)."""
        start = torch.full_like(rows[:1], self.decision.num_embeddings - 1)
        inputs = self.decision(torch.cat([start, rows[:-1]])) + self.choice.weight[:, None]
        if weights is not None:
            inputs = inputs + self.mixture(2 * weights - 1)
        states, _ = self.lstm(math.sqrt(EMBEDDING_SIZE) * inputs)
        return self._log_probs(states)

    def _log_probs(self, states: Tensor) -> Tensor:
        """Log-probabilities (num_choices, num_rollouts, options of all kinds) after the states of the LSTM."""
        return torch.log_softmax(self.heads(states) + self._mask, dim=-1)

    def ascend(self, optimizer: torch.optim.Optimizer, gain: Tensor, *, gradient_clip: float) -> None:
        """Takes one optimizer step that increases the gain, with the global norm of the gradient clipped."""
        optimizer.zero_grad()
        torch.neg(gain).backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.parameters(), gradient_clip)
        optimizer.step()

    def check(self, rollout: Rollout, reward: float) -> None:
        """Raises ValueError if decisions are not of this space, or the reward is not finite."""
        check_decisions(rollout.decisions, self.choices)
        if not math.isfinite(reward):
            raise ValueError(f"a reward must be a finite number, got {reward}")

    def _numpy_weights(self) -> dict[str, _Array]:
        weights = {name: value.detach().numpy() for name, value in self.named_parameters()}
        if not all(np.isfinite(value).all() for value in weights.values()):
            raise RuntimeError(
                "the weights of the policy are no longer finite, so it cannot propose anything; lower settings of the "
                "controller that are far above their defaults, such as learning_rate or entropy_weight"
            )
        return weights


def as_tensor(weights: _Array | None) -> Tensor | None:
    """Weights of the objectives as `Policy.score` takes them."""
    return None if weights is None else torch.tensor(weights, dtype=torch.float32)


_GATE_SCALES = np.repeat(np.array([1, 1, 2, 1], np.float32), NUM_UNITS)
"""Of the gates in torch's order (input, forget, candidate, output), see `_lstm_cell`."""


def _input_terms(weights: Mapping[str, _Array]) -> tuple[_Array, _Array]:
    """What the LSTM's gates get from each decision, and from each choice with the biases."""
    inputs, biases = _input_weights(weights), weights["lstm.bias_ih_l0"] + weights["lstm.bias_hh_l0"]
    return weights["decision.weight"] @ inputs, weights["choice.weight"] @ inputs + _GATE_SCALES * biases


def _mixture_terms(tensors: Mapping[str, _Array], weights: _Array) -> _Array:
    """What the LSTM's gates get from the weights of the objectives, of shape (rollouts, objectives)."""
    terms: _Array = (2 * weights.astype(np.float32) - 1) @ tensors["mixture.weight"].T @ _input_weights(tensors)
    return terms


def _input_weights(weights: Mapping[str, _Array]) -> _Array:
    inputs: _Array = weights["lstm.weight_ih_l0"].T * (np.float32(math.sqrt(EMBEDDING_SIZE)) * _GATE_SCALES)
    return inputs


def _recurrent_weights(weights: Mapping[str, _Array]) -> _Array:
    return weights["lstm.weight_hh_l0"].T * _GATE_SCALES


def _lstm_cell(gates: _Array, cell: _Array) -> tuple[_Array, _Array]:
    """New state and cell, from gates before activation; the candidate's are doubled: tanh(x) = 2 sigmoid(2 x) - 1."""
    opened = torch.sigmoid(torch.from_numpy(gates)).numpy()  # several times as fast as tanh of numpy
    inputs, forget, candidate, output = opened.reshape(len(gates), 4, -1).swapaxes(0, 1)
    cell = forget * cell + inputs * (2 * candidate - 1)
    return output * np.tanh(cell), cell


def _draw(logits: _Array, uniforms: _Array) -> _Array:
    """One decision per row of logits (num_rollouts, num_options), from a uniform number each (num_rollouts, 1)."""
    cumulative = np.exp(logits - logits.max(axis=1, keepdims=True)).cumsum(axis=1)
    decisions: _Array = (cumulative[:, :-1] <= uniforms * cumulative[:, -1:]).sum(axis=1)
    return decisions


def _option_slices(choices: Sequence[Choice], *, shared: bool) -> tuple[tuple[slice, ...], int]:
    """Where the options of each choice are in tables with one row per option of each kind, and the number of rows."""
    tables = [choice.kind if shared else choice.name for choice in choices]
    widest: dict[str, int] = {}
    for table, choice in zip(tables, choices, strict=True):
        widest[table] = max(widest.get(table, 0), choice.num_options)
    *starts, total = accumulate(widest.values(), initial=0)
    first = dict(zip(widest, starts, strict=True))
    slices = (slice(first[table], first[table] + each.num_options) for table, each in zip(tables, choices, strict=True))
    return tuple(slices), total
