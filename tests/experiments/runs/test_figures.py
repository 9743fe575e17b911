import pytest
from matplotlib.figure import Figure

from experiments.runs.figures import write_figure


@pytest.mark.parametrize(("suffix", "start"), [(".png", b"\x89PNG"), (".svg", b"<?xml"), (".PDF", b"%PDF")])
def test_the_suffix_is_the_format_and_links_are_replaced(tmp_path, suffix, start):
    path, victim = tmp_path / f"figure{suffix}", tmp_path / "victim"
    victim.write_text("content")
    path.symlink_to(victim)
    write_figure(Figure(figsize=(1, 1)), path, dpi=20, metadata={})
    assert path.read_bytes().startswith(start)
    assert victim.read_text() == "content"
