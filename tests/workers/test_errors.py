import pytest
import torch

from workers.errors import MAX_LENGTH, describe_error, failure_kind, first_line, last_line, safe_text


class UnspeakableError(Exception):
    def __str__(self):
        raise ValueError("no")

    __repr__ = __str__


class OutOfMemoryError(RuntimeError):
    """Named like CUDA's error in torch."""


def raised_by(cause, error):
    error.__context__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (MemoryError(), "out_of_memory"),
        (OutOfMemoryError("CUDA out of memory"), "out_of_memory"),
        (torch.OutOfMemoryError("CUDA out of memory"), "out_of_memory"),
        (RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"), "out_of_memory"),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), "out_of_memory"),
        (raised_by(torch.OutOfMemoryError("CUDA out of memory"), RuntimeError("capture failed")), "out_of_memory"),
        (raised_by(KeyError("x"), RuntimeError("capture failed")), "error"),
        (RuntimeError("shapes do not fit"), "error"),
        (KeyError("x"), "error"),
        (SystemExit(2), "error"),
        (UnspeakableError(), "error"),
    ],
)
def test_kinds_of_failures(error, kind):
    assert failure_kind(error) == kind


def test_an_error_is_described_in_one_line_with_its_origin():
    def fail(text):
        raise ValueError(text)

    for text in ("first\n  second", "first second" + "x" * 5000):
        with pytest.raises(ValueError, match="first") as caught:
            fail(text)
        described = describe_error(caught.value)
        assert described.startswith("ValueError: first second")
        assert described.endswith(" in fail)")
        assert " (test_errors.py:" in described
        assert len(described) <= MAX_LENGTH
    assert describe_error(KeyError("x")) == "KeyError: 'x'"
    assert describe_error(UnspeakableError()).startswith("UnspeakableError: (a UnspeakableError that cannot be shown")


def test_any_value_has_a_text():
    assert safe_text(3.5) == "3.5"
    assert safe_text("x", repr) == "'x'"
    assert safe_text(UnspeakableError(), repr) == "(a UnspeakableError that cannot be shown: ValueError)"


def test_lines_of_long_messages():
    error = ValueError("\nfirst\nmiddle\nlast " + "x" * 1000 + "\n")
    assert first_line(error) == "first"
    assert last_line(error) == "last " + "x" * 495
    assert (first_line(KeyError()), last_line(StopIteration())) == ("KeyError", "StopIteration")
