"""Reports: counts of what is used and left out, as text and as JSON."""

from nas.data.identity import identify_files
from nas.data.report import DataReport, LeftOut, LeftOutTally, describe_counts, join_left_out


def test_things_are_counted_by_reason_with_examples():
    tally = LeftOutTally()
    for name in "abcd":
        tally.add("hidden files", name)
    tally.add("links", "x")
    first, second = tally.result()
    assert first == LeftOut("hidden files", 4, ("a", "b", "c"))
    assert str(first) == "4 hidden files (a, b, c, ...)"
    assert str(second) == "1 links (x)"


def test_parts_are_joined_by_reason():
    parts = [("train/", [LeftOut("links", 2, ("a", "b"))]), ("val/", [LeftOut("links", 3, ("c", "d"))])]
    assert join_left_out(parts) == (LeftOut("links", 5, ("train/a", "train/b", "val/c")),)


def test_lines_and_json_hold_the_same():
    identity = identify_files({"a": (1, "x")})
    report = DataReport(
        {"training images": 1800, "test images": 2},
        (LeftOut("links", 1, ("a",)),),
        ("they are dark",),
        identity,
        identify_files({"test/b": (1, "y")}),
    )
    assert [*report.lines()] == [
        "data: 1,800 training images, 2 test images; left out: 1 links (a)",
        "note: they are dark",
    ]
    assert describe_counts(report.counts) == next(report.lines())
    assert report.counts["fingerprint"] == report.complete.fingerprint != identity.fingerprint
    alone = report.without_test()
    assert (alone.used, alone.complete) == ({"training images": 1800}, identity)
    assert [*DataReport({"images": 1}).lines()] == ["data: 1 images; left out: nothing"]
