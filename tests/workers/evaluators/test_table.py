from dataclasses import replace

import pytest

from nas.edge_cell import EdgeCell
from nas.trial import Failure, Success
from workers.evaluators.table import (
    TEST_ACCURACY,
    Columns,
    Measurement,
    Table,
    add_metrics,
    read_nats_bench,
    read_table,
)

HEADER = "arch,valid_12,valid_200,test_200,train_seconds,params_m,flops_m,note\n"
LINES = "|none~0|,50,60,55,100.5,0.5,7.25,x\n|conv~0|,70,90.5,91,200,1,8,\n"


@pytest.fixture
def table_file(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text(HEADER + LINES)
    return path


@pytest.fixture
def edge_trial(make_trial):
    return lambda trial_id, op: replace(make_trial(trial_id), architecture=EdgeCell((op,)))


def test_a_trial_gets_what_the_table_says(table_file, edge_trial):
    outcome = read_table(table_file)(edge_trial(7, "conv"))
    assert outcome.trial_id == 7
    assert outcome.accuracy == pytest.approx(0.905)
    assert outcome.metrics == {TEST_ACCURACY: pytest.approx(0.91)}
    assert (outcome.train_seconds, outcome.num_parameters, outcome.num_multiply_adds) == (200, 1_000_000, 8_000_000)


def test_columns_can_be_chosen(table_file, edge_trial):
    table = read_table(table_file, Columns(valid="valid_12"))
    assert table(edge_trial(7, "none")).accuracy == 0.5
    assert table.columns == Columns("valid_12", "test_200", "train_seconds")


def test_a_mark_and_spaces_of_a_spreadsheet_do_not_matter(tmp_path, edge_trial):
    path = tmp_path / "table.csv"
    path.write_bytes(b"\xef\xbb\xbfarch, valid, test, seconds\r\n|conv~0|, 70, 71, 5\r\n")
    outcome = read_table(path)(edge_trial(0, "conv"))
    assert (outcome.accuracy, outcome.train_seconds) == (pytest.approx(0.7), 5)


def test_an_architecture_that_is_not_there_is_a_failure(table_file, edge_trial, make_trial):
    table = read_table(table_file)
    for trial in (edge_trial(3, "pool"), make_trial(3)):
        outcome = table(trial)
        assert isinstance(outcome, Failure)
        assert (outcome.trial_id, outcome.kind) == (3, "error")
        assert "does not hold" in outcome.error


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"line 1: the first line must name a column arch, or columns choice\.\.\., got nothing"),
        (
            "name,valid,test,seconds\n",
            r"the first line must name a column arch, or columns choice\.\.\., got name, valid",
        ),
        ("arch,test,seconds\na,1,1,1\n", r"a column valid\.\.\. for valid"),
        ("arch,valid,seconds\na,1,1\n", r"a column test\.\.\. for test"),
        ("arch,valid,test\na,1,1\n", r"a column seconds\.\.\. for seconds"),
        ("arch,valid,test,seconds\n", "at least one architecture"),
        ("arch,valid_loss,test,seconds\na,1,1,1\n", r"a column valid\.\.\. for valid, got none"),
        ("choice_a,choice_b,valid,test,time\n1,,1,1,1\n", "line 2: choice_b must be the name of an option"),
        ("choice_a,valid,test,time\n{0},1,1,1\n", "line 2: choice_a must be the name of an option"),
        ("arch,valid,test,seconds\na,x,1,1\n", "line 2: valid must be a finite number, got 'x'"),
        ("arch,valid,test,seconds\na,1,nan,1\n", "line 2: test must be a finite number, got 'nan'"),
        ("arch,valid,test,seconds\na,1,1\n", "line 2: seconds must be a finite number, got None"),
        ("arch,valid,test,seconds\na,1,1,\n", "line 2: seconds must be a finite number, got ''"),
        (
            "arch,valid,test,seconds\na,101,1,1\n",
            "line 2: validation accuracy must be between 0 and 100 percent, got 101",
        ),
        ("arch,valid,test,seconds\na,1,-1,1\n", "line 2: test accuracy must be between"),
        ("arch,valid,test,seconds\na,1,1,-1\n", "line 2: seconds must be finite and at least 0"),
        ("arch,valid,test,seconds\na,1,1,1e300\n", "line 2: seconds must be at most 1e\\+12, got 1e\\+300"),
        ("arch,valid,valid,test,seconds\na,1,1,1,1\n", "line 1: column names must be unique, got valid more"),
        (
            "arch,valid,test,seconds\na,1,1,1\na,1,1,1\n",
            "line 3: each line must name a different architecture, got 'a'",
        ),
        ("arch,valid,test,seconds\n,1,1,1\n", "line 2: each line must name a different architecture, got ''"),
        ('arch,valid,test,seconds\n"a,1,1,1\n', "line 1: unexpected end of data"),
    ],
)
def test_a_bad_file_is_refused_with_the_line(tmp_path, text, message):
    path = tmp_path / "bad.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=message) as caught:
        read_table(path)
    assert str(path) in str(caught.value)


def test_a_column_that_is_not_there_is_refused_with_those_that_are(table_file):
    with pytest.raises(ValueError, match="a column valid_90 for valid, got valid_12, valid_200"):
        read_table(table_file, Columns(valid="valid_90"))


class FakeNatsBench:
    """Answers as nats_bench.create(...) does."""

    def __len__(self):
        return 2

    def arch(self, index):
        return ("|none~0|", "|conv~0|")[index]

    def get_more_info(self, index, dataset, *, hp, is_random):
        assert (hp, is_random) in {("12", False), ("200", False)}
        info = {"test-accuracy": 90.0 + index, "train-all-time": 12.5}
        return info if dataset == "cifar10" else info | {"valid-accuracy": float(hp) / 10}


def test_the_official_benchmark_is_read_through_its_package(edge_trial):
    table = read_nats_bench(FakeNatsBench(), epochs=12)
    assert table.rows["|conv~0|"] == Measurement(0.012, 0.91, 12.5)
    assert table(edge_trial(0, "none")).metrics == {TEST_ACCURACY: 0.9}
    with pytest.raises(ValueError, match="cifar10 must hold valid-accuracy"):
        read_nats_bench(FakeNatsBench(), "cifar10")


def test_an_empty_table_is_refused():
    with pytest.raises(ValueError, match="at least one"):
        Table({})


def test_the_published_table_is_read(real_data):
    table = read_table(real_data / "nasbench201" / "cifar10.csv")
    assert len(table.rows) == 15_625
    assert table.columns == Columns("valid_accuracy_200ep", "test_accuracy_200ep", "train_seconds_200ep")
    assert max(row.test for row in table.rows.values()) == pytest.approx(0.9437, abs=5e-5)
    assert max(row.validation for row in table.rows.values()) == pytest.approx(0.9161, abs=5e-5)


def test_shorter_trainings_are_looked_up_by_their_epochs(table_file, edge_trial):
    """12 of 200 epochs take 6 % of the 100.5 seconds."""
    trial = edge_trial(0, "none")
    table = read_table(table_file, rungs={12: "valid_12"})
    assert table(replace(trial, until_epoch=12)) == Success(0, 0.5, 500_000, 7_250_000, 12 / 200 * 100.5)
    assert (table(trial).accuracy, table(trial).train_seconds) == (0.6, 100.5)
    outcome = table(replace(trial, until_epoch=50))
    assert isinstance(outcome, Failure)
    assert "epochs 12 before the end, not 50" in outcome.error
    with pytest.raises(ValueError, match="there must be a column valid_13 for rung 12"):
        read_table(table_file, rungs={12: "valid_13"})


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("a,0.9,0.8,5\nb,0.5,0.7,5", "line 3: valid must be in percent, but no number in it exceeds 0.9"),
        ("a,90,0.8,5\nb,50,0.7,5", "line 3: test must be in percent, but no number in it exceeds 0.8"),
        ("a,93,5,94,1,7", "line 2: a line must have at most 4 values"),  # decimals with a comma
    ],
)
def test_numbers_that_mean_something_else_are_refused(tmp_path, lines, message):
    path = tmp_path / "table.csv"
    path.write_text(f"arch,valid,test,seconds\n{lines}\n")
    with pytest.raises(ValueError, match=message):
        read_table(path)


def test_empty_values_behind_the_last_column_do_not_matter(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("arch,valid,test,seconds\na,90,80,5,,\n")
    assert read_table(path).rows["a"].seconds == 5


def test_a_second_file_names_each_architecture_once(table_file, tmp_path):
    (tmp_path / "costs.csv").write_text("arch,ms\n|none~0|,1\n|conv~0|,2\n|none~0|,3\n")
    with pytest.raises(ValueError, match=r"costs.csv, line 4: each line must name a different architecture"):
        add_metrics(read_table(table_file), tmp_path / "costs.csv", ["ms"])
