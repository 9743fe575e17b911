import pytest

from nas.data.load import DATA_SETS, load_data
from nas.fidelity import DataSpec


def test_the_named_data_set_is_loaded():
    assert len(load_data(DataSpec("digits", num_train=100)).train) == 90


def test_an_unknown_name_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="must be one of digits, image_folder, cifar10, got 'cifar11'"):
        load_data(DataSpec("cifar11"))


@pytest.mark.parametrize("name", sorted(set(DATA_SETS) - {"cifar10"}))  # it would download
def test_more_images_than_there_are_is_refused_or_the_folder_is_missing(name, tmp_path):
    with pytest.raises(ValueError, match=r"num_train must be at most 1437|no folder"):
        load_data(DataSpec(name, root=str(tmp_path / "missing"), num_train=10**6))
