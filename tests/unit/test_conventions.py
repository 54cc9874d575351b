"""Conventions as data: shipped files, users' files, and what each field does to costs."""

from __future__ import annotations

import itertools

import msgspec
import numpy as np
import pytest

from fusepath.cost import (
    CONVENTIONS,
    RUNTIME,
    ComputeRate,
    Convention,
    Link,
    PathCosts,
    Regions,
    described_convention,
    layer_ops,
    named_convention,
    path_costs,
)
from fusepath.errors import FileFormatError, InputError
from fusepath.graph import Kind, ModelGraph, Operator, Tensor, Window, Work, build_graph
from fusepath.tiling import Grid

PAPER = ("table1", "table1-flop", "parallel-edge", "no-contention", "no-halo", "perfect-division")


def small_network() -> ModelGraph:
    """Three 3×3 convolutions, the second with stride 2, then something that cannot be tiled."""
    window = Window(kernel=3, pad_begin=1, pad_end=1)
    halving = Window(kernel=3, stride=2, pad_begin=1, pad_end=1)
    sizes = {"image": 16, "a": 16, "b": 8, "c": 8}
    tensors = {name: Tensor(name=name, shape=(1, 4, n, n)) for name, n in sizes.items()}
    tensors["out"] = Tensor(name="out", shape=(1, 10))
    operators = [
        Operator(
            name=f"conv_{out}",
            op_type="Conv",
            kind=Kind.WINDOW,
            inputs=(source,),
            outputs=(out,),
            work=Work(macs=100),
            rows=shape,
            cols=shape,
        )
        for source, out, shape in (
            ("image", "a", window),
            ("a", "b", halving),
            ("b", "c", window),
        )
    ]
    operators.append(
        Operator(
            name="dense",
            op_type="Gemm",
            kind=Kind.BARRIER,
            inputs=("c",),
            outputs=("out",),
            work=Work(macs=5000),
            barrier_reason="it needs the whole map",
        )
    )
    return build_graph(
        name="small",
        sha256="0" * 64,
        input=tensors["image"],
        outputs=("out",),
        tensors=tensors,
        operators=operators,
    )


def costs(convention: Convention, grid: Grid, tau: int = 3) -> PathCosts:
    rate = ComputeRate(1.0)
    (found,) = path_costs(
        small_network(), tau, [grid], device=rate, edge=rate, convention=convention
    )
    return found


@pytest.mark.parametrize("name", PAPER)
def test_every_field_of_a_paper_convention_is_stated_or_assumed(name):
    item = described_convention(name)
    explained = {**item.stated, **item.assumed}

    assert set(explained) >= set(Convention.__struct_fields__) - {"name", "counts_untileable"}
    assert not set(item.stated) & set(item.assumed)
    assert item.convention.name == name


def test_the_conventions_of_the_paper_differ_where_they_say():
    table1, parallel, free, no_halo = (
        CONVENTIONS[name] for name in ("table1", "parallel-edge", "no-contention", "no-halo")
    )

    assert (table1.edge_workers, table1.shared_link, table1.regions) == (1, True, "needed")
    assert parallel == msgspec.structs.replace(table1, name="parallel-edge", edge_workers=0)
    assert free == msgspec.structs.replace(parallel, name="no-contention", shared_link=False)
    assert no_halo == msgspec.structs.replace(free, name="no-halo", regions=Regions.SHARE)


def test_runtime_is_what_the_runtime_does():
    expected = Convention(
        name="runtime",
        ops_per_mac=2,
        input_bytes_per_element=1,
        activation_bytes_per_element=4,
        edge_workers=1,
        shared_link=True,
        regions=Regions.ALIGNED,
        counts_result=True,
    )

    assert expected == RUNTIME


def test_users_add_their_own(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text(
        'title = "two workers"\nbased_on = "table1"\n'
        '[convention]\nname = "mine"\nedge_workers = 2\n'
        '[assumed]\nedge_workers = "two cores"\n'
    )

    item = described_convention(str(file))

    assert item.convention == msgspec.structs.replace(
        CONVENTIONS["table1"], name="mine", edge_workers=2
    )
    assert item.assumed["edge_workers"] == "two cores"
    assert "ops_per_mac" in item.assumed


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("title = ", "not a fusepath convention file"),
        ('title = "x"\n[convention]\nname = "x"\nworkers = 2', "workers"),
        ('title = "x"\n[convention]\nname = "x"\nedge_workers = -1', "at least 0"),
        ('title = "x"\n[convention]\nname = "x"\nregions = "some"', "some"),
        ('title = "x"\nbased_on = "nothing"\n[convention]\nname = "x"', "no convention 'nothing'"),
        ('title = "x"\n[convention]\nname = "x"\n[assumed]\nspeed = "y"', "explains 'speed'"),
    ],
)
def test_a_bad_file_is_refused_with_the_reason(tmp_path, text, complaint):
    file = tmp_path / "bad.toml"
    file.write_text(text)

    with pytest.raises(InputError, match=complaint):
        named_convention(str(file))


def test_a_missing_file_and_an_unknown_name_are_refused(tmp_path):
    with pytest.raises(FileFormatError, match="cannot read"):
        named_convention(str(tmp_path / "none.toml"))
    with pytest.raises(InputError, match=r"known ones are .*table1"):
        named_convention("table2")


@pytest.mark.parametrize("grid", [Grid(2, 2), Grid(3, 2), Grid(5, 5)])
def test_without_halos_the_paths_add_up_to_the_whole(grid):
    found = costs(CONVENTIONS["no-halo"], grid)
    whole = costs(CONVENTIONS["no-halo"], Grid(1, 1))
    counts = found.counts[:, None]

    np.testing.assert_allclose((found.device * counts).sum(axis=0), whole.device[0])
    np.testing.assert_allclose((found.edge * counts).sum(axis=0), whole.edge[0])
    # Bytes of a path are whole, so up to half a byte per path is rounded.
    sent = (found.up_bytes * counts).sum(axis=0)
    assert (abs(sent - whole.up_bytes[0]) <= grid.paths / 2).all()


@pytest.mark.parametrize("grid", [Grid(1, 1), Grid(2, 2), Grid(4, 3)])
def test_shares_cost_no_more_than_halos_and_halos_no_more_than_alignment(grid):
    kinds = (Regions.SHARE, Regions.NEEDED, Regions.ALIGNED)
    by_kind = [
        costs(msgspec.structs.replace(CONVENTIONS["table1"], regions=kind), grid) for kind in kinds
    ]

    for less, more in itertools.pairwise(by_kind):
        assert (less.device[less.class_of] <= more.device[more.class_of] + 1e-9).all()
        assert (less.edge[less.class_of] <= more.edge[more.class_of] + 1e-9).all()
    assert (by_kind[0].up_bytes <= by_kind[1].up_bytes[: len(by_kind[0].up_bytes)]).all()


def test_counts_agree_with_classes():
    found = costs(CONVENTIONS["table1"], Grid(4, 3))

    assert found.counts.sum() == 12
    np.testing.assert_array_equal(found.counts, np.bincount(found.class_of))


def test_layers_that_cannot_be_tiled_may_be_free():
    graph = small_network()

    assert layer_ops(graph, 4, CONVENTIONS["no-halo"]) == 5000
    assert layer_ops(graph, 4, CONVENTIONS["perfect-division"]) == 0
    assert layer_ops(graph, 3, CONVENTIONS["perfect-division"]) == 6400


@pytest.mark.parametrize("field", ["edge_workers", "ops_per_mac", "activation_bytes_per_element"])
@pytest.mark.parametrize("value", [4097, 2**31, 10**400])
def test_nobody_has_so_much_of_anything(field, value):
    with pytest.raises(InputError, match="at most 4096") as refused:
        Convention(name="huge", **{field: value})
    assert len(str(refused.value)) < 300


@pytest.mark.parametrize("field", ["message_bytes", "up_bytes_per_s"])
def test_whole_numbers_of_a_link_are_no_larger_than_numbers_of_files(field):
    with pytest.raises(InputError, match="beyond what numbers of files may be") as refused:
        Link(**{"up_bytes_per_s": 1e6, "down_bytes_per_s": 1e6, field: 10**400})
    assert len(str(refused.value)) < 300
