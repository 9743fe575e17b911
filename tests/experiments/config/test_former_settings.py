"""Documents of earlier versions."""

import pytest

from experiments.config.documents import split_sections
from experiments.config.former_settings import without_former
from experiments.config.kinds import SEARCH


@pytest.mark.parametrize(
    "document", [{}, {"controller": "ppo"}, {"controller": {"name": "ppo", "batch_size": 7}}, {"controller": 3}]
)
def test_documents_of_today_stay_as_they_are(document):
    assert without_former(document) == document


@pytest.mark.parametrize(
    ("section", "wrapper"),
    [({"num_redraws": 10, "redraw_heat": 1.2}, "fresh"), ({"redraw_heat": 1.0}, "fresh"), ({"num_redraws": 0}, "none")],
)
def test_redraws_become_the_wrapper(section, wrapper):
    document = {"controller": {"name": "ppo", "clip": 0.1, **section}, "search": {"seed": 1}}
    found = without_former(document)
    assert found == {"wrapper": {"name": wrapper}, "controller": {"name": "ppo", "clip": 0.1}, "search": {"seed": 1}}
    assert split_sections(document, SEARCH)["wrapper"] == {"name": wrapper}


def test_a_wrapper_that_is_named_stays():
    document = {"controller": {"name": "ppo", "num_redraws": 10}, "wrapper": "surrogate"}
    assert without_former(document) == {"controller": {"name": "ppo"}, "wrapper": "surrogate"}
