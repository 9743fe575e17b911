import pytest
import yaml
from PIL import Image

from experiments.cli.main import main
from experiments.config.documents import load_document
from experiments.config.kinds import SEARCH
from experiments.config.search_config import SearchConfig
from experiments.guide.init import ImageFolder, fit, write_init


@pytest.fixture
def photos(tmp_path):
    for label, size in (("cat", (40, 30)), ("dog", (64, 64))):
        folder = tmp_path / "photos" / "train" / label
        folder.mkdir(parents=True)
        for index in range(3):
            Image.new("RGB", size, (index, 0, 0)).save(folder / f"{index}.png")
    return tmp_path / "photos"


def test_init_fits_the_images(photos, tmp_path, capsys):
    file = tmp_path / "mine.yaml"
    assert main(["init", "--data", str(photos), str(file)]) == 0
    assert "6 images of 2 classes" in capsys.readouterr().out
    document = load_document(str(file), SEARCH)
    assert document["data"]["root"] == str(photos)
    assert document["data"]["image_size"] == 32
    assert "num_classes" not in document["network"]
    SearchConfig.parse(document)
    assert main(["init", str(file)]) == 2
    assert "exists already; choose another name, or replace it with --force" in capsys.readouterr().err


def test_init_without_images_uses_the_digits(tmp_path):
    write_init(tmp_path / "mine.yaml", None)
    assert yaml.safe_load((tmp_path / "mine.yaml").read_text())["data"]["name"] == "digits"


@pytest.mark.parametrize(
    ("file", "data", "message"), [("a.txt", None, "end in .yaml"), ("a.yaml", ".", "training images must be in")]
)
def test_init_refuses(tmp_path, monkeypatch, file, data, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=message):
        write_init(tmp_path / file, data and tmp_path / data)
    assert not (tmp_path / file).exists()


def test_a_gpu_gets_the_proxy_of_the_paper(tmp_path):
    images = ImageFolder(10, 60_000, [(32, 32)] * 4)
    document = fit(images, tmp_path, num_gpus=2, num_cpus=8)
    assert (document["recipe"]["epochs"], document["network"]["num_filters"]) == (20, 32)
    assert (document["workers"]["num_workers"], document["workers"]["gpus"]) == (4, 0.5)
    assert document["data"]["num_train"] == 50_000
    assert "image_size" not in document["data"]
