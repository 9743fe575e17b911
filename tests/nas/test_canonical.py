"""The canonical form of plain cells; `test_architecture` holds it against graph isomorphism."""

from nas.canonical import canonical_form


def block(left, right, combine="add", norm="bn"):
    return (left, right), combine, norm


def test_order_of_blocks_and_operands_does_not_matter():
    first = block((0, "a"), (1, "b"))
    second = block((1, "c"), (1, "c"), "concat")
    swapped = block((1, "b"), (0, "a"))
    assert canonical_form([first, second], (2, 3)) == canonical_form([second, swapped], (3, 2))


def test_sources_are_renumbered():
    blocks = [block((0, "b"), (0, "b")), block((0, "a"), (0, "a")), block((2, "c"), (3, "d"))]
    placed, outputs = canonical_form(blocks, (4,))
    assert placed == (block((0, "a"), (0, "a")), block((0, "b"), (0, "b")), block((2, "d"), (3, "c")))
    assert outputs == (4,)


def test_ties_are_broken_by_what_reads_them():
    # Two equal blocks, one read by "x" and the other by "y": both orders describe one graph.
    equal = block((0, "a"), (1, "a"))
    one = canonical_form([equal, equal, block((2, "x"), (2, "x")), block((3, "y"), (3, "y"))], (4, 5))
    other = canonical_form([equal, equal, block((3, "x"), (3, "x")), block((2, "y"), (2, "y"))], (4, 5))
    assert one == other
    different = canonical_form([equal, equal, block((2, "x"), (2, "x")), block((2, "y"), (2, "y"))], (3, 4, 5))
    assert different != one


def test_outputs_are_part_of_the_form():
    equal = block((0, "a"), (1, "a"))
    assert canonical_form([equal, equal], (2,)) == canonical_form([equal, equal], (3,))
    assert canonical_form([equal, equal], (2,)) != canonical_form([equal, equal], (2, 3))


def test_many_twins_are_not_ordered_in_all_ways(counted_nodes):
    placed, _ = canonical_form([block((0, "a"), (1, "a"))] * 40, tuple(range(2, 42)))
    assert len(placed) == 40
    assert len(counted_nodes) < 40**2  # all orders of 40 blocks are 10**47
