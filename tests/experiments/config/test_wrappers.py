"""Every entry of the table wraps a controller."""

import pytest

from controllers.random_search import RandomSearch
from experiments.config.wrappers import WRAPPERS, wrap
from search_spaces.tiny import TINY


@pytest.mark.parametrize("name", WRAPPERS)
def test_a_wrapped_controller_proposes_and_learns(name):
    kind = WRAPPERS[name]
    settings = None if kind.settings is None else kind.settings()
    controller = wrap(RandomSearch(TINY.choices, seed=0), TINY, name, settings, seed=0)
    for trial_id in range(3):
        (rollout,) = controller.ask([trial_id])
        TINY.decode(rollout.decisions)
        controller.tell(rollout, 0.5)
    assert isinstance(controller, RandomSearch) == (name == "none")
