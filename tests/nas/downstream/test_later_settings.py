"""Settings added later are left out of JSON at their defaults."""

from dataclasses import dataclass

from pydantic import TypeAdapter

from nas.downstream.detection.settings import DetectionData
from nas.downstream.later_settings import without_defaults


@dataclass
class Settings:
    first: int = 1
    later: str = "a"


def test_only_the_later_ones_are_omitted():
    assert without_defaults(Settings(), {"first": 1, "later": "a"}, "later") == {"first": 1}
    assert without_defaults(Settings(later="b"), {"first": 1, "later": "b"}, "later") == {"first": 1, "later": "b"}


def test_detection_data_of_the_first_version():
    """The fingerprints of stored runs are digests of these names."""
    adapter = TypeAdapter(DetectionData)
    first = "root num_train subset_seed evaluate num_evaluated check_pictures drop_bad_objects cache_mib"
    assert list(adapter.dump_python(DetectionData(), mode="json")) == first.split()
    assert adapter.dump_python(DetectionData(format="voc"), mode="json")["format"] == "voc"
