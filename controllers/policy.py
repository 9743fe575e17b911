"""The policy of the controllers that learn by gradients: a one-layer LSTM (NASNet, 1707.07012, appendix A.2).

One step a choice: the LSTM reads the decision before and which choice is due, and the head of that choice's kind turns
its state into one logit for each option. Embeddings of decisions and heads are shared by kind of choice; options that a
choice does not have are masked. The embedding of the choice spares the LSTM learning to count: without it, the state of
step 30 hardly differs from that of step 29 until much has been learned. Embeddings are multiplied by the root of their
size (as in 1706.03762, section 3.4): initial weights within -0.1..0.1 would hardly be heard otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType

import torch
from torch import Tensor, nn

from controllers.sampler import Sampler
from nas.decisions import Choice, Rollout, check_decisions

NUM_UNITS = 100
EMBEDDING_SIZE = 32
INITIAL_RANGE = 0.1
MAX_AHEAD = 32
_SMALLEST = math.ldexp(1.0, -1074)
_MASKED = -1e9  # finite, so that a probability of 0 times its logarithm is 0 and not NaN


class Policy(nn.Module):
    """A distribution over the decisions of a space.

    Initial weights are uniform within -0.1..0.1 (1707.07012, A.2).

    Args:
        choices: the decisions to be made, in order.
        seed: of the initial weights.
        choice_embedding: whether the LSTM reads which choice is due; the paper names no such input.

    Attributes:
        choices: the decisions to be made, in order.
        first: for each choice, the row of its first option in tables that hold one row for each option of each kind.
    """

    def __init__(self, choices: Sequence[Choice], *, seed: int, choice_embedding: bool = True) -> None:
        if not choices:
            raise ValueError("a policy needs at least 1 choice, got none")
        super().__init__()
        self.choices = tuple(choices)
        rows, total = _option_rows(self.choices)
        self.first = tuple(rows[choice.kind] for choice in self.choices)
        with torch.device("meta"):  # so that construction draws nothing from torch's own generator
            self.decision = nn.Embedding(total + 1, EMBEDDING_SIZE)  # the last row stands before the first decision
            self.choice = nn.Embedding(len(self.choices), EMBEDDING_SIZE)
            self.lstm = nn.LSTM(EMBEDDING_SIZE, NUM_UNITS)
            self.heads = nn.Linear(NUM_UNITS, total)
        self.to_empty(device="cpu")
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for weight in self.parameters():
                weight.uniform_(-INITIAL_RANGE, INITIAL_RANGE, generator=generator)
            if not choice_embedding:
                self.choice.weight.zero_()
                self.choice.weight.requires_grad = False
        self._mask = torch.full((len(self.choices), 1, total), _MASKED)
        for step, (choice, row) in enumerate(zip(self.choices, self.first, strict=True)):
            self._mask[step, 0, row : row + choice.num_options] = 0.0
        self._sampler: Sampler | None = None

    def sample(
        self,
        trial_ids: Sequence[int],
        *,
        seed: int,
        attempt: int = 0,
        temperature: float = 1.0,
        ahead: Mapping[int, float] = MappingProxyType({}),
    ) -> list[Rollout]:
        """Draws one rollout for each trial, from a generator seeded by (seed, trial id, attempt).

        What a trial gets does not depend, not even in the last bit, on the trials beside it. A temperature above 1
        draws from a flatter distribution; the log-probability is always that under the policy itself.

        Args:
            trial_ids: the trials.
            seed: of the run.
            attempt: how often a trial was drawn before.
            temperature: to draw at.
            ahead: temperatures of attempts that may follow, which are then drawn along.
        """
        if self._sampler is None:
            self._sampler = Sampler(self)
        due, later = (
            [((seed, trial_id, each), heat) for each, heat in heats.items() for trial_id in trial_ids]
            for heats in ({attempt: temperature}, ahead)
        )
        return self._sampler.sample(due, ahead=later)

    def score(self, decisions: Tensor) -> tuple[Tensor, Tensor]:
        """Feeds decisions back through the policy.

        Args:
            decisions: whole numbers (num_rollouts, num_choices).

        Returns:
            Log-probability of each decision and entropy of the distribution it was drawn from, in nats, both
            (num_choices, num_rollouts) and differentiable.
        """
        rows = decisions.T + torch.tensor(self.first)[:, None]
        start = torch.full_like(rows[:1], self.decision.num_embeddings - 1)
        inputs = self.decision(torch.cat([start, rows[:-1]])) + self.choice.weight[:, None]
        states, _ = self.lstm(math.sqrt(EMBEDDING_SIZE) * inputs)
        log_probs = torch.log_softmax(self.heads(states) + self._mask, dim=-1)
        entropies = -(log_probs.exp() * log_probs).sum(dim=-1)
        return log_probs.gather(2, rows[:, :, None]).squeeze(2), entropies

    def ascend(self, optimizer: torch.optim.Optimizer, gain: Tensor, *, gradient_clip: float) -> None:
        """One step of the optimizer towards a greater gain, with the global norm of the gradient clipped."""
        optimizer.zero_grad()
        torch.neg(gain).backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.parameters(), gradient_clip)
        optimizer.step()
        self._sampler = None

    def check(self, rollout: Rollout, reward: float) -> None:
        """Raises ValueError if the decisions of a rollout are not of this space, or its reward is not finite."""
        check_decisions(rollout.decisions, self.choices)
        if not math.isfinite(reward):
            raise ValueError(f"a reward must be a finite number, got {reward}")


@contextmanager
def quick_tiny_numbers() -> Iterator[None]:
    """Within it this thread takes numbers below float32's normal range (1e-38) for 0; all of learning belongs there.

    Probabilities, gradients and their averages of a policy that is nearly sure are full of such numbers, and each takes
    the processor a hundred times as long as another. No weight hears of them: a step of the optimizer is far below what
    its last bit resolves.
    """
    was_quick = _SMALLEST * 1.0 == 0.0
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(was_quick)


def with_following(trial_ids: Sequence[int], count: int) -> list[int]:
    """The trials asked for, and as many after the last one as will probably be asked for before the policy learns.

    To draw those along costs little, and what they get is the same (see `controllers.sampler.Sampler.sample`).
    """
    following = range(trial_ids[-1] + 1, trial_ids[-1] + 1 + min(count, MAX_AHEAD)) if trial_ids else ()
    return [*trial_ids, *following]


def _option_rows(choices: Sequence[Choice]) -> tuple[dict[str, int], int]:
    """The first row of each kind in tables that hold one row an option, and the number of rows."""
    widest: dict[str, int] = {}
    for choice in choices:
        widest[choice.kind] = max(widest.get(choice.kind, 0), choice.num_options)
    first, total = {}, 0
    for kind, num_options in widest.items():
        first[kind] = total
        total += num_options
    return first, total
