import pytest

from experiments.config.search_config import SearchConfig
from experiments.runs.run_folder import RunFolder
from experiments.search.shared_store import open_store

SHARED = {"search": {"num_trials": 3}, "evaluator": "shared_weights", "workers": {"pool": "serial"}}


def test_a_search_without_sharing_has_no_store(tmp_path):
    config = SearchConfig.parse({"search": {"num_trials": 3}})
    with open_store(config, RunFolder(tmp_path)) as arguments:
        assert arguments == {}


def test_the_store_is_saved_at_the_end(tmp_path):
    folder = RunFolder(tmp_path)
    with open_store(SearchConfig.parse(SHARED), folder) as arguments:
        assert not folder.shared_weights.exists()
        arguments["store"].take_back({}, {})
    assert folder.shared_weights.exists()


def test_weights_of_other_networks_are_refused(tmp_path):
    folder = RunFolder(tmp_path)
    with open_store(SearchConfig.parse(SHARED), folder) as arguments:
        arguments["store"].take_back({}, {})
    other = SearchConfig.parse({**SHARED, "network": {"num_filters": 8}})
    with (
        pytest.raises(ValueError, match=r"shared.safetensors holds shared weights of networks with num_filters 32"),
        open_store(other, folder),
    ):
        pass
