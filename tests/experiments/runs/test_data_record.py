"""``data.json``: what is recorded of the images of a run."""

import pytest

from experiments.runs.data_record import DATA_FILE, read_data_record, write_data_record
from nas.data.identity import identify_files
from nas.data.report import DataReport


def report(**files):
    return DataReport({"training images": len(files)}, identity=identify_files({k: (1, v) for k, v in files.items()}))


def test_images_and_their_changes_are_recorded(tmp_path):
    assert read_data_record(tmp_path) is None
    write_data_record(tmp_path, report(a="x"), None)
    first = read_data_record(tmp_path)
    assert (first.identity, first.changes) == (report(a="x").identity, ())
    assert first.counts["used"] == {"training images": 1}
    write_data_record(tmp_path, report(a="x"), first)
    assert read_data_record(tmp_path) == first
    write_data_record(tmp_path, report(a="y", b="z"), first)
    assert read_data_record(tmp_path).changes == (("1 file added (b)", "1 file changed (a)"),)


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"identity": 3, "changes": [], "counts": {}}'])
def test_a_damaged_record_is_an_error_and_no_missing_one(tmp_path, text):
    (tmp_path / DATA_FILE).write_text(text)
    with pytest.raises(ValueError, match=r"data.json is damaged .*: delete it if the images have not changed"):
        read_data_record(tmp_path)
