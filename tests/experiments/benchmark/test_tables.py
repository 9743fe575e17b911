"""Every kind of table: its space, and that a benchmark runs on it."""

import json

import pytest
from rich.console import Console

from experiments.benchmark.run import Benchmark, run_benchmark
from experiments.benchmark.tables import TABLES
from workers.evaluators.table import Columns

TRANSNAS = "arch,valid_top1,valid_top5,valid_loss,test_top1,test_top5,test_loss,time_elapsed\n"


def transnas_file(path):
    """All architectures of three operations on the first edge and two on the second."""
    rows = [
        f"64-41414-{a}_{b}0_000,{40 + a},{60 + b},1.5,{39 + a},{59 + b},1.6,{100 + a}"
        for a in (0, 1, 3)
        for b in (0, 1)
    ]
    path.write_text(TRANSNAS + "\n".join(rows) + "\n")
    return path


def test_transnas_has_six_edges_of_the_same_operations(tmp_path):
    table, space = TABLES["transnas101"].load(transnas_file(tmp_path / "t.csv"), Columns(valid="valid_top1"))
    assert [choice.num_options for choice in space.choices] == [3] * 6
    assert space.decode((2, 1, 0, 0, 0, 0)).arch == "64-41414-3_10_000"
    assert table.rows["64-41414-3_10_000"].validation == pytest.approx(0.43)
    assert table.columns == Columns("valid_top1", "test_top5", "time_elapsed")


def test_choices_of_any_file_are_its_columns(tmp_path):
    path = tmp_path / "any.csv"
    path.write_text("choice_width,choice_op,valid,test,seconds\n16,conv,50,51,1\n8,conv,60,59,1\n8,pool,40,41,1\n")
    table, space = TABLES["choices"].load(path, Columns())
    assert space.options == (("8", "16"), ("conv", "pool"))
    assert table.rows[space.decode((0, 1)).arch].validation == 0.4


@pytest.mark.parametrize(
    ("kind", "names", "message"),
    [
        ("transnas101", ["64-41414-1_23"], "must be named like 64-41414-1_23_013"),
        ("transnas101", ["64-41414-1_23_013", "64-4111-1_23_013"], "must be of one network"),
        ("nasbench_macro", ["0012", "001"], "equally many digits, got '001'"),
        ("nasbench_macro", ["00a2"], "equally many digits"),
        ("choices", ["a|b", "a"], r"equally many decisions, got \[1, 2\]"),
    ],
)
def test_names_of_another_form_are_refused(kind, names, message):
    with pytest.raises(ValueError, match=message):
        TABLES[kind].space(names)


def test_a_benchmark_runs_on_a_table_without_times(tmp_path):
    path = tmp_path / "macro.json"
    path.write_text(json.dumps({f"{a}{b}": {"test_acc": [50 + a, 52 + b]} for a in range(3) for b in range(3)}))
    controllers = ("random", "random:wrapper=fresh", "random:wrapper=surrogate:wrapper.num_plain=3")
    benchmark = Benchmark(path, controllers, 9, 2, num_processes=1, space="nasbench_macro")
    (comparison,) = run_benchmark(benchmark, tmp_path / "out", Console(quiet=True)).values()
    by_name = {strategy.name: strategy for strategy in comparison.strategies}
    assert by_name["random:wrapper=fresh"].trials.duplicates == 0
    assert by_name["random:wrapper=fresh"].trials.distinct == 18  # nine in each of two runs
    assert by_name["random:wrapper=fresh"].best[0].architecture["arch"][0] == "2"
    assert [each.random for each in comparison.strategies] == [True, True, False]
