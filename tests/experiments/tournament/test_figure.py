from experiments.tournament.analysis import Entrant, judge
from experiments.tournament.figure import FILES, draw_tournament
from workers.tune.tournament import Standing, ranked


def drawn(num_chosen, folder, *, num=6, error=None):
    entrants = [Entrant(f"trial-{place}", place, place < num_chosen, 0.9 - place / 50) for place in range(num)]
    standings = [Standing(each.name, (0.3, 0.5 + each.trial / 30), None) for each in entrants[1:]]
    first = Standing(entrants[0].name, () if error else (0.2,), error)
    folder.mkdir()
    names = draw_tournament(judge(entrants, ranked([first, *standings]), epochs=3), folder)
    return {name: (folder / name).read_bytes() for name in names}


def test_both_files_are_pictures_and_the_same_each_time(tmp_path):
    first, again = (drawn(3, tmp_path / name) for name in ("a", "b"))
    assert tuple(first) == FILES
    assert first == again
    assert first["tournament.png"].startswith(b"\x89PNG")
    text = first["tournament.svg"].decode()
    for part in ("Tournament", "Selected by reward", "Drawn at random", "Kendall's tau"):
        assert part in text or part.replace("'", "&apos;") in text or part.replace("'", "&#x27;") in text


def test_without_a_control_none_is_named(tmp_path):
    assert "Drawn at random" not in drawn(6, tmp_path / "a")["tournament.svg"].decode()


def test_a_candidate_that_failed_at_once_and_a_single_one_are_drawn(tmp_path):
    assert drawn(3, tmp_path / "a", error="RuntimeError: no")
    assert "tau" not in drawn(1, tmp_path / "b", num=1)["tournament.svg"].decode()
