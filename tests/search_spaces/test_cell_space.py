"""The contract of every space made of cells, and what `CellSpace` adds to it."""

from __future__ import annotations

import dataclasses
import random
import re

import pytest

from nas.architecture import Architecture, Block, Cell, Edge
from search_spaces.cell_space import CellSpace
from search_spaces.nasnet import NASNET
from search_spaces.tiny import TINY

PAIR = ("identity", "conv_1x1")
FIRST = Block(Edge(0, "identity"), Edge(1, "conv_1x1"))
SPACES = {
    "nasnet": NASNET,
    "nasnet without norms": dataclasses.replace(NASNET, norms=("bn",)),
    "tiny": TINY,
    "norm of a cell": CellSpace(ops=PAIR, num_blocks=3, norms=("bn", "in", "gn"), norm_granularity="cell"),
    "appearance stages": CellSpace(ops=PAIR, num_blocks=2, norms=("bn", "ibn"), appearance_stages=(None, 0, 1, 2)),
    "one of everything": CellSpace(ops=("conv_1x1",), num_blocks=1, combines=("concat",)),
}


def draw(space: CellSpace, generator: random.Random) -> tuple[int, ...]:
    return tuple(generator.randrange(choice.num_options) for choice in space.choices)


@pytest.fixture(params=SPACES.values(), ids=list(SPACES))
def space(request: pytest.FixtureRequest) -> CellSpace:
    return request.param


class TestContract:
    def test_choices_have_names_of_their_own_and_something_to_choose(self, space: CellSpace) -> None:
        names = [choice.name for choice in space.choices]
        assert len(set(names)) == len(names)
        assert all(choice.num_options > 1 for choice in space.choices)

    def test_options_of_a_kind_are_the_same_but_for_sources(self, space: CellSpace) -> None:
        for kind in {choice.kind for choice in space.choices} - {"source"}:
            assert len({choice.num_options for choice in space.choices if choice.kind == kind}) == 1

    def test_encode_inverts_decode(self, space: CellSpace) -> None:
        generator = random.Random(1)
        for _ in range(200):
            decisions = draw(space, generator)
            architecture = space.decode(decisions)
            assert space.encode(architecture) == decisions
            assert space.decode(space.encode(architecture)) == architecture

    def test_every_option_changes_the_architecture(self, space: CellSpace) -> None:
        start = draw(space, random.Random(2))
        neighbours = {
            space.decode((*start[:place], option, *start[place + 1 :]))
            for place, choice in enumerate(space.choices)
            for option in range(choice.num_options)
        }
        assert len(neighbours) == 1 + sum(choice.num_options - 1 for choice in space.choices)

    def test_outputs_are_loose_ends(self, space: CellSpace) -> None:
        architecture = space.decode(draw(space, random.Random(3)))
        assert architecture.normal.concat is None
        assert architecture.reduction.concat is None

    def test_json_keeps_what_was_decoded(self, space: CellSpace) -> None:
        architecture = space.decode(draw(space, random.Random(4)))
        assert Architecture.from_json(architecture.to_json()) == architecture

    def test_wrong_decisions_are_refused(self, space: CellSpace) -> None:
        decisions = draw(space, random.Random(5))
        with pytest.raises(ValueError, match=f"there must be {len(decisions)} decisions"):
            space.decode((*decisions, 0))
        for place, choice in enumerate(space.choices):
            for wrong in (-1, choice.num_options):
                with pytest.raises(ValueError, match=re.escape(choice.name)):
                    space.decode((*decisions[:place], wrong, *decisions[place + 1 :]))

    def test_architectures_elsewhere_are_refused(self, space: CellSpace) -> None:
        block = Block(Edge(0, "no_such_op"), Edge(1, "conv_1x1"))
        cell = Cell((block,) * space.num_blocks)
        with pytest.raises(ValueError, match="normal cell: "):
            space.encode(Architecture(cell, cell))


class TestChoices:
    def test_a_block_decides_sources_ops_combine_norm(self) -> None:
        block = [(choice.name, choice.kind, choice.num_options) for choice in NASNET.choices[36:42]]
        assert block == [
            ("reduction/block1/left/source", "source", 3),
            ("reduction/block1/right/source", "source", 3),
            ("reduction/block1/left/op", "op", 13),
            ("reduction/block1/right/op", "op", 13),
            ("reduction/block1/combine", "combine", 2),
            ("reduction/block1/norm", "norm", 4),
        ]

    def test_a_single_option_is_no_choice(self) -> None:
        space = CellSpace(ops=("conv_1x1",), num_blocks=2, combines=("add",))
        assert {choice.kind for choice in space.choices} == {"source"}
        assert len(space.choices) == 8

    def test_a_cell_may_share_its_norm(self) -> None:
        space = SPACES["norm of a cell"]
        assert [choice.name for choice in space.choices if choice.kind == "norm"] == ["normal/norm", "reduction/norm"]
        architecture = space.decode(draw(space, random.Random(0)))
        assert len({block.norm for block in architecture.normal.blocks}) == 1

    def test_the_network_may_choose_its_appearance_stages(self) -> None:
        space = SPACES["appearance stages"]
        assert space.choices[-1].kind == "appearance_stages"
        decisions = draw(space, random.Random(0))
        assert [space.decode((*decisions[:-1], option)).appearance_stages for option in range(4)] == [None, 0, 1, 2]


class TestEncode:
    def test_a_list_of_all_loose_ends_means_the_same(self) -> None:
        decisions = draw(TINY, random.Random(0))
        canonical = TINY.decode(decisions).canonical()
        assert canonical.normal.concat is not None
        assert TINY.decode(TINY.encode(canonical)).fingerprint == TINY.decode(decisions).fingerprint

    @pytest.mark.parametrize(
        ("cell", "message"),
        [
            (Cell((FIRST, FIRST, FIRST)), "cells of this space must have 2 blocks, got 3"),
            (Cell((FIRST, FIRST), (0, 3)), r"must be its loose ends \[2, 3\], got \[0, 3\]"),
            (Cell((FIRST, dataclasses.replace(FIRST, norm="gn"))), "norm must be one of bn, in, got gn"),
            (Cell((FIRST, dataclasses.replace(FIRST, combine="concat"))), "combine must be one of add, got concat"),
            (Cell((FIRST, Block(Edge(2, "sep_conv_9x9"), Edge(0, "identity")))), "op must be one of .* sep_conv_9x9"),
        ],
    )
    def test_messages_say_why(self, cell: Cell, message: str) -> None:
        space = dataclasses.replace(TINY, combines=("add",))
        with pytest.raises(ValueError, match="reduction cell: .*" + message):
            space.encode(Architecture(Cell((FIRST, FIRST)), cell))

    def test_norms_that_differ_do_not_share(self) -> None:
        space = CellSpace(ops=PAIR, num_blocks=2, norms=("bn", "in"), norm_granularity="cell")
        edges = Edge(0, "identity"), Edge(1, "identity")
        cell = Cell((Block(*edges, norm="bn"), Block(*edges, norm="in")))
        with pytest.raises(ValueError, match="must share one norm, got bn, in"):
            space.encode(Architecture(cell, cell))

    def test_appearance_stages_are_checked(self) -> None:
        architecture = dataclasses.replace(TINY.decode(draw(TINY, random.Random(0))), appearance_stages=1)
        with pytest.raises(ValueError, match="appearance_stages must be one of None, got 1"):
            TINY.encode(architecture)


class TestValidation:
    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"ops": ()}, "ops"),
            ({"ops": ("identity", "identity")}, "ops must be unique, got identity, identity"),
            ({"ops": ("identity", "sep_3x3")}, "ops must be among identity, .*sep_conv_3x3, .*, got 'sep_3x3'"),
            ({"norms": ("bn", "b n")}, "norms must be among bn, in, .*, got 'b n'"),
            ({"combines": ("multiply",)}, "combine must be one of add, concat"),
            ({"num_blocks": 0}, "num_blocks"),
            ({"norm_granularity": "layer"}, "norm_granularity"),
            ({"appearance_stages": (-1,)}, "integers of at least 0"),
        ],
    )
    def test_bad_spaces_are_refused(self, change: dict[str, object], message: str) -> None:
        with pytest.raises(ValueError, match=message):
            CellSpace(**{"ops": PAIR, **change})  # type: ignore[arg-type]

    def test_lists_as_in_yaml_are_taken(self) -> None:
        assert CellSpace(ops=list(PAIR)).ops == PAIR  # type: ignore[arg-type]


def test_random_children_need_hardly_any_search_for_their_fingerprint(counted_nodes: list[None]) -> None:
    """Each cell needs one node; more only where refinement leaves states of equal color."""
    generator = random.Random(0)
    rollouts = [draw(NASNET, generator) for _ in range(1000)]
    fingerprints = {NASNET.decode(decisions).fingerprint for decisions in rollouts}
    assert len(fingerprints) == len(rollouts)
    assert 2000 <= len(counted_nodes) < 3000
