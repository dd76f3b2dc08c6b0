import json
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
import torch
from click.testing import CliRunner
from scipy.stats import ttest_rel
from torch import nn
from torch_geometric.data import Batch, Data

from benchmarks.gnn.autoencoder import Autoencoder
from benchmarks.gnn.classifier import READOUTS, Classifier
from benchmarks.gnn.graph_sets import folds
from benchmarks.gnn.pools import POOLS, PoolSpec
from benchmarks.gnn.significance import corrected_p, mean_ranks
from benchmarks.gnn.training import batches_of, evaluate, learn
from benchmarks.graph_classification import graph_classification, rank_rows
from benchmarks.reconstruction import reconstruction
from graphpool import grid_graph

# PyG's ASAPooling goes through sparse CSR, about which torch warns
pytestmark = pytest.mark.filterwarnings("ignore:Sparse")
SPEC = PoolSpec(channels=8, kept=0.5, nodes=12)


def pool_named(name: str) -> nn.Module:
    try:
        return POOLS[name].make(SPEC)
    except ImportError as error:
        pytest.skip(str(error))  # says what it needs


def pictures(count: int, channels: int = 4) -> list[Data]:
    """Grids of 3 x 4 nodes of two kinds, as many of one kind as the class says."""
    made = []
    for number in range(count):
        label = number % 2
        kind = (torch.rand(12) < (0.8 if label else 0.2)).long()
        x = torch.eye(channels)[kind] + 0.1 * torch.randn(12, channels)
        made.append(Data(x=x, edge_index=grid_graph(3, 4), y=torch.tensor([label])))
    return made


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with graph sets in the format of the TU collection: rings with a node or two of another label."""
    for name, labelled in (("MUTAG", True), ("PROTEINS", True), ("IMDB-BINARY", False)):
        raw = tmp_path / "tu" / name / "raw"
        raw.mkdir(parents=True)
        edges, graph_of, labels, classes = [], [], [], []
        for graph in range(24):
            size, start = 5 + graph % 3, len(graph_of)
            ring = [(start + node, start + (node + 1) % size) for node in range(size)]
            edges += [(one + 1, other + 1) for one, other in [*ring, *((other, one) for one, other in ring)]]
            graph_of += [graph + 1] * size
            labels += [int(node <= graph % 2) for node in range(size)]
            classes.append(graph % 2)
        lines = {"A": [f"{one}, {other}" for one, other in edges], "graph_indicator": graph_of, "graph_labels": classes}
        if labelled:
            lines["node_labels"] = labels
        for kind, rows in lines.items():
            (raw / f"{name}_{kind}.txt").write_text("".join(f"{row}\n" for row in rows))
    return tmp_path / "tu"


def run(command: click.Command, folder: Path, *arguments: str) -> list[dict[str, Any]]:
    file = folder / "results.json"
    outcome = CliRunner().invoke(
        command, ["--quick", "--repeats", "1", "--json", str(file), *arguments], catch_exceptions=False
    )
    assert outcome.exit_code == 0, outcome.output
    rows: list[dict[str, Any]] = json.loads(file.read_text())["rows"]
    return rows


@pytest.mark.parametrize("name", POOLS)
def test_layers_pool_and_lift(name: str) -> None:
    layer = pool_named(name)
    batch = Batch.from_data_list(pictures(3, 8))
    coarse = layer(batch.x.relu(), batch.edge_index, None, batch.batch)
    count = coarse.x.size(0)
    assert 3 <= count <= 36
    assert (count == 36) == (name == "none")
    assert coarse.batch.shape == (count,)
    assert set(coarse.batch.tolist()) == {0, 1, 2}
    assert coarse.edge_index.numel() == 0 or int(coarse.edge_index.max()) < count
    lifted = coarse.lift(torch.ones(count, 2))
    assert lifted.shape == (36, 2)
    dropped = (lifted == 0).all(1).sum()
    assert dropped == (36 - count if name in ("TopK", "SAG", "ASAP") else 0)


@pytest.mark.parametrize("readout", READOUTS)
def test_a_classifier_learns(readout: str) -> None:
    graphs = pictures(80)
    network = Classifier(4, 16, 2, lambda: POOLS["AgglomerativePool"].make(SPEC), readout)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    for _ in range(10):
        learn(network, optimizer, batches_of(graphs, 16))
    scores = evaluate(network, list(batches_of(graphs, 32)))
    assert scores.accuracy > 0.85
    assert 1 > scores.kept[0] >= scores.kept[1] > 0


MERGING = [
    name
    for name in POOLS
    if name.startswith(("AgglomerativePool", "ComponentPool")) and "max_area" not in name  # which can stop it earlier
]


@pytest.mark.parametrize("name", MERGING)
@pytest.mark.parametrize("kept", [0.25, 0.5])
def test_merging_layers_keep_what_they_are_told(name: str, kept: float) -> None:
    batches = list(batches_of(pictures(40), 40))
    network = Classifier(4, 16, 2, lambda: POOLS[name].make(SPEC._replace(channels=16, kept=kept)))
    assert evaluate(network, batches).kept == pytest.approx([kept, kept**2], abs=0.03)


def test_every_graph_is_tested_once() -> None:
    labels = np.array([0] * 31 + [1] * 12 + [2] * 7)
    parts = list(folds(labels, 5, 0))
    assert sorted(place for fold in parts for place in fold.test) == list(range(50))
    for fold in parts:
        assert sorted(fold.training + fold.validation + fold.test) == list(range(50))
        assert len(fold.test) == len(fold.validation) == 10
        assert [(labels[fold.test] == label).sum() for label in range(3)] in (
            [6, 2, 2],
            [6, 3, 1],
            [7, 2, 1],
            [6, 2, 1],
        )
    assert [fold.test for fold in folds(labels, 5, 0)] == [fold.test for fold in parts]
    assert [fold.test for fold in folds(labels, 5, 1)] != [fold.test for fold in parts]


def test_significance() -> None:
    rng = np.random.default_rng(0)
    one, other = rng.normal(0.5, 1, 30), rng.normal(0, 1, 30)
    assert corrected_p(one, other, 0) == pytest.approx(ttest_rel(one, other).pvalue)
    assert corrected_p(one, other, 0.1) > corrected_p(one, other, 0)
    assert corrected_p(one, one, 0.1) == 1
    assert corrected_p([1, 2, 3], [0, 1, 2], 0.1) == 0


def test_mean_ranks() -> None:
    scores = {"a": {"x": 3.0, "y": 2.0, "z": 2.0}, "b": {"x": 1.0, "y": 5.0}, "c": {"x": 2.0, "y": 2.0}}
    assert mean_ranks(scores) == {"x": (1 + 2 + 1.5) / 3, "y": (2 + 1 + 1.5) / 3}
    assert mean_ranks({}) == {}


def test_graph_classification(tmp_path: Path, root: Path) -> None:
    names = ["none", "TopK", "AgglomerativePool", "k-MIS"]
    arguments = ["--root", str(root), "--kept", "0.4", "--dataset", "MUTAG", "--dataset", "IMDB-BINARY"]
    rows = run(graph_classification, tmp_path, *arguments, *(word for name in names for word in ("--pool", name)))
    by_table = {table: [row for row in rows if row["table"] == table] for table in ("accuracy", "cost", "ranks")}
    assert {row["pool"] for row in by_table["accuracy"] if row["asked"] is None} == set(names)
    assert {row["pool"] for row in by_table["accuracy"] if row["asked"] == 0.4} == {"TopK", "AgglomerativePool"}
    for row in by_table["accuracy"]:
        if row["pool"] == "k-MIS" and row["reason"] is not None:
            assert "torch-geometric-pool" in row["reason"]
            continue
        assert len(row["accuracies"]) == 3
        assert 0 <= row["accuracy"] <= 100
        assert 0 <= row["p"] <= 1
        assert (row["kept_first"] == 1) == (row["pool"] == "none")
    assert all(row["reason"] or row["epoch_ms"] > 0 for row in by_table["cost"])
    own = [row["rank"] for row in by_table["ranks"] if row["asked"] is None]
    assert own == sorted(own)
    assert by_table["ranks"] == rank_rows(by_table["accuracy"])


@pytest.mark.parametrize("arguments", [["--dataset", "MUTAGS"], ["--pool", "topk"]])
def test_unknown_names_are_refused(root: Path, arguments: list[str]) -> None:
    outcome = CliRunner().invoke(graph_classification, ["--root", str(root), *arguments])
    assert outcome.exit_code == 2
    assert "MUTAG" in outcome.output or "TopK" in outcome.output


def test_reconstruction(tmp_path: Path, root: Path) -> None:
    names = ["none", "AgglomerativePool", "EdgePooling", "TopK"]
    arguments = [word for name in names for word in ("--pool", name)]
    rows = run(reconstruction, tmp_path, "--root", str(root), "--kept", "0.5", *arguments)
    assert {row["data"] for row in rows} == {"PROTEINS", "image grids"}
    grids = [(row["pool"], row["asked"]) for row in rows if row["data"] == "image grids"]
    own = [("none", None), ("AgglomerativePool", None), ("EdgePooling", None)]
    assert sorted(map(str, grids)) == sorted(map(str, [*own, ("TopK", 0.5), ("AgglomerativePool", 0.5)]))
    assert all(row["error"] > 0 and 0 < row["kept"] <= 1 for row in rows)


def test_an_autoencoder_sees_nothing_but_what_was_pooled() -> None:
    batch = Batch.from_data_list(pictures(2))
    network = Autoencoder(4, 8, lambda: POOLS["TopK"].make(SPEC)).eval()
    before, _, left = network(batch)
    assert left == 12
    with torch.no_grad():
        network.pool.layer.select.weight.mul_(-1)  # other nodes are kept
    assert not torch.allclose(before, network(batch)[0])
