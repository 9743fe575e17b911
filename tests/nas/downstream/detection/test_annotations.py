from pathlib import Path

from nas.downstream.detection.annotations import Annotations


def test_labels_count_from_one_in_the_order_of_the_file():
    annotations = Annotations(Path("instances.json"), (), {}, {90: "c", 3: "a", 17: "b"}, "digest")
    assert annotations.labels == {90: 1, 3: 2, 17: 3}
