"""Members of tar shards: images with their labels, and shards that are cut off or do not fit."""

import io
import tarfile

import pytest

from nas.data.formats.tar_shards import LINK, NO_LABELLED_IMAGE, Member, has_labels, read_members, read_shard


def written(path, members, format=tarfile.USTAR_FORMAT):  # noqa: A002 - tarfile's word
    with tarfile.open(path, "w", format=format) as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def read(path):
    left_out = []
    found = read_shard(
        path,
        refuse=lambda name: None if name.lower().endswith(("jpg", "png")) else "no image",
        leave_out=lambda *given: left_out.append(given),
    )
    return found, left_out


@pytest.mark.parametrize("format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_members_are_read_from_their_places(tmp_path, format):  # noqa: A002
    long = f"{'folder/' * 20}é.jpg"
    path = written(tmp_path / "0.tar", {"a.jpg": b"first", long: b"x" * 1000, "b.cls": b""}, format)
    found = [*read_members(path)]
    assert [(each.name, each.length) for each in found] == [("a.jpg", 5), (long, 1000), ("b.cls", 0)]
    content = path.read_bytes()
    assert [content[each.offset : each.offset + each.length] for each in found] == [b"first", b"x" * 1000, b""]


def test_an_image_has_the_label_of_its_name(tmp_path):
    members = {
        "a/1.cls": b"7\n",
        "./a/1.jpg": b"other",  # another folder than a
        "./a/1.cls": b"tench ",
        "a/1.JPG": b"image",
        "a/1.json": b"{}",
        "b.cls": b"3",
    }
    found, left_out = read(written(tmp_path / "0.tar", members))
    assert [(each.image.name, each.label) for each in found] == [("./a/1.jpg", "tench"), ("a/1.JPG", "7")]
    assert left_out == [("no image", "0.tar/a/1.json"), (NO_LABELLED_IMAGE, "0.tar/b.cls")]


@pytest.mark.parametrize(
    ("members", "message"),
    [
        (
            {"a.jpg": b"1", "b.jpg": b"2", "b.cls": b"0"},
            "must hold a label, a member .cls, for every image; 1 of 2 have",
        ),
        ({"a.jpg": b"1", "a.png": b"2", "a.cls": b"0"}, "a.jpg and a.png must have names of their own"),
        ({"a.jpg": b"1", "a.cls": b" \n"}, "the label a.cls must be the number or name of a class, got ''"),
        ({"a.jpg": b"1", "a.cls": b"1" * 300}, "the label a.cls must be"),
        ({"a.jpg": b"1", "a.cls": b"a\nb"}, r"the label a.cls must be .* got 'a\\nb'"),
    ],
)
def test_members_that_do_not_fit_are_refused(tmp_path, members, message):
    with pytest.raises(ValueError, match=message):
        read(written(tmp_path / "0.tar", members))


@pytest.mark.parametrize("size", [1536, 1500, 1024 + 700, 512 + 400, 100, 0])
def test_a_shard_that_is_cut_off_anywhere_is_refused(tmp_path, size):
    """The members take 512 bytes of header and 512 of content each, up to byte 2,048."""
    path = written(tmp_path / "0.tar", {"a.jpg": b"1" * 512, "a.cls": b"0" * 10})
    assert [each.name for each in read_members(path)] == ["a.jpg", "a.cls"]
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(ValueError, match=r"0\.tar must be a whole, uncompressed tar archive; it is cut off or damaged"):
        [*read_members(path)]


def test_cut_off_between_members_and_damaged_headers_are_found(tmp_path):
    path = written(tmp_path / "0.tar", {"a.jpg": b"1" * 512, "a.cls": b"0"})
    whole = path.read_bytes()
    path.write_bytes(whole[:2048])
    with pytest.raises(ValueError, match=r"damaged after a\.cls: no end of the archive"):
        [*read_members(path)]
    path.write_bytes(whole[:1024] + b"?" * 512 + whole[1536:])
    with pytest.raises(ValueError, match=r"damaged after a\.jpg"):
        [*read_members(path)]
    path.write_bytes(b"\x1f\x8b" + whole)
    with pytest.raises(ValueError, match="uncompressed tar archive"):
        [*read_members(path)]


def test_a_shard_that_is_cut_off_within_a_label_is_no_label(tmp_path):
    path = written(tmp_path / "0.tar", {"a.jpg": b"1" * 512, "a.cls": b"12"})
    path.write_bytes(path.read_bytes()[: 1536 + 1])
    with pytest.raises(ValueError, match=r"damaged after a\.cls: unexpected end of data"):
        read(path)


def test_labels_are_looked_for_among_the_first_members(tmp_path):
    assert has_labels(written(tmp_path / "0.tar", {"a.jpg": b"", "a.cls": b"1"}))
    assert not has_labels(written(tmp_path / "1.tar", {"a.jpg": b"", "b.jpg": b""}))


def test_folders_and_links_are_no_members(tmp_path):
    with tarfile.open(tmp_path / "0.tar", "w") as archive:
        for name, kind in (("a.jpg", tarfile.DIRTYPE), ("b.jpg", tarfile.SYMTYPE), ("c.jpg", tarfile.REGTYPE)):
            member = tarfile.TarInfo(name)
            member.type = kind
            archive.addfile(member)
    assert [*read_members(tmp_path / "0.tar")] == [Member("c.jpg", 1536, 0)]


def test_links_are_said_to_be_left_out(tmp_path):
    path = written(tmp_path / "0.tar", {"a.png": b"image", "a.cls": b"0"})
    with tarfile.open(path, "a") as archive:
        for name, kind in (("b.png", tarfile.LNKTYPE), ("c.png", tarfile.SYMTYPE), ("folder", tarfile.DIRTYPE)):
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, "a.png"
            archive.addfile(member)
    found, left_out = read(path)
    assert [each.image.name for each in found] == ["a.png"]
    assert left_out == [(LINK, "0.tar/b.png"), (LINK, "0.tar/c.png")]


def test_two_labels_of_an_image_are_refused(tmp_path):
    path = written(tmp_path / "0.tar", {"a.png": b"image", "a.cls": b"0"})
    with tarfile.open(path, "a") as archive:
        member = tarfile.TarInfo("a.cls")
        member.size = 1
        archive.addfile(member, io.BytesIO(b"1"))
    with pytest.raises(ValueError, match="a must have one label, got '0' and '1'"):
        read(path)
