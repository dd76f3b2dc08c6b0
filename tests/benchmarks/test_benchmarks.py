import json
import multiprocessing
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
import torch
from click.testing import CliRunner

from benchmarks import report
from benchmarks.components import components
from benchmarks.evaluation_cost import evaluation_cost
from benchmarks.isolate import Failed, in_fresh_process, memory_limit, time_limit
from benchmarks.layers import LAYERS
from benchmarks.levels import CLOUD_LAYERS, RATIOS, levels, share_lost
from benchmarks.memory import peak_extra_bytes
from benchmarks.oap_cost import oap_cost
from benchmarks.overfit import overfit, reached
from benchmarks.pooling_cost import pooling_cost
from benchmarks.timing import measure
from benchmarks.train_cost import REST, WHOLE, train_cost

CPU = torch.device("cpu")


def run(command: click.Command, folder: Path, *arguments: str) -> dict[str, Any]:
    """The JSON of a quick run, after checking what all commands write."""
    file = folder / "results.json"
    options = ["--quick", "--repeats", "2", "--json", str(file), *arguments]
    outcome = CliRunner().invoke(command, options, catch_exceptions=False)
    assert outcome.exit_code == 0, outcome.output
    written: dict[str, Any] = json.loads(file.read_text())
    assert {"benchmark", "command", "commit", "date", "machine", "versions", "threads", "settings", "rows"} <= set(
        written
    )
    assert written["command"].startswith(f"python -m benchmarks.{written['benchmark']} ")
    assert "--repeats 2 --quick --json results.json" in written["command"]
    assert str(folder) not in written["command"]
    assert {"cpu", "cores", "memory_gb", "python", "gpu"} <= set(written["machine"])
    assert all(written["versions"][name] for name in ("torch", "torch_geometric", "scipy", "numpy", "graphpool"))
    assert written["threads"] == 1
    assert written["rows"]
    return written


def positive(row: dict[str, Any], *keys: str) -> bool:
    return all(np.isfinite(row[key]) and row[key] > 0 for key in keys)


def test_levels(tmp_path: Path, shared: Path) -> None:
    rows = run(levels, tmp_path, "--root", str(shared / "data" / "tu"))["rows"]
    by_table = {table: [row for row in rows if row["table"] == table] for table in ("forest", "cloud", "kept")}
    assert all(positive(row, "ours_ms", "scipy_ms", "components_ms", "scipy_ratio") for row in by_table["forest"])
    assert [(row["ratio"], row["layer"]) for row in by_table["cloud"]] == [
        (ratio, layer) for ratio in RATIOS for layer in CLOUD_LAYERS
    ]
    for row in by_table["cloud"]:
        assert row["left"] == 300 * row["ratio"] or "max_area" in row["layer"]
        assert 0 <= row["features_lost"] < 1
    assert all(abs(row["kept"] - row["ratio"]) < 0.04 for row in by_table["kept"])


def test_share_of_variance_lost() -> None:
    x, cluster = torch.randn(50, 3, dtype=torch.double), torch.arange(50) % 7
    within = sum(
        float(x[cluster == label].var(0, correction=0).sum()) * int((cluster == label).sum()) for label in range(7)
    )
    assert share_lost(x, cluster) == pytest.approx(within / (50 * float(x.var(0, correction=0).sum())))
    assert share_lost(x, torch.arange(50)) == 0


def test_components(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    threads = torch.get_num_threads()
    rows = run(components, tmp_path, "--plot", str(tmp_path / "figure.png"))["rows"]
    assert {row["case"] for row in rows} >= {
        "grid 8x8",
        "16 grids 8x8",
        "path, ordered",
        "path, shuffled",
        "random graph",
    }
    for row in rows:
        assert row["labels_checked"]
        assert row["rounds"] >= 1
        assert positive(row, "scipy_best_ms", "pyg_ms", "ours_ms", "static_ms", "ours_ratio", "static_ratio")
    assert (tmp_path / "figure.png").stat().st_size > 1000
    assert torch.get_num_threads() == threads


def test_pooling_cost(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    rows = run(pooling_cost, tmp_path, "--nodes", "100", "--plot", str(tmp_path / "figure.svg"))["rows"]
    layers = [row for row in rows if row["table"] == "layers" and row["graph"] == "grid"]
    assert [row["layer"] for row in layers] == list(LAYERS)
    for row in layers:
        if row["reason"] is None:
            assert positive(row, "forward_ms", "both_ms")
            assert 0 < row["nodes_left"] < row["nodes"]
            assert row["peak_mib"] is None or 0 <= row["peak_mib"] < 100
        else:
            assert row["layer"] == "Graclus"  # the one that needs a library which is not required
    budgets = {row["layer"]: row for row in rows if row["table"] == "budgets"}
    assert len(budgets) == 5
    assert all(positive(row, "forward_ms", "forward_ratio") for row in budgets.values())
    assert budgets["ComponentPool"]["output_checked"]
    assert "Pooling a grid" in (tmp_path / "figure.svg").read_text()


def test_layers_that_exceed_a_limit_say_so(tmp_path: Path) -> None:
    rows = run(pooling_cost, tmp_path, "--nodes", "100", "--nodes", "144", "--limit", "0.00001")["rows"]
    layers = [row for row in rows if row.get("graph") == "grid" and row["layer"] != "Graclus"]
    assert all("longer than" in row["reason"] for row in layers)
    assert all(row["reason"].startswith("not tried") == (row["nodes"] == 144) for row in layers)


@pytest.mark.parametrize("center", ["none", "graph"])
def test_oap_cost(tmp_path: Path, center: str) -> None:
    arguments = ["--center", center]
    if center == "graph":
        maps = np.random.default_rng(0).normal(size=(2, 4, 5, 8)).astype(np.float16)
        np.save(tmp_path / "maps.npy", maps)
        arguments += ["--features", str(tmp_path / "maps.npy")]
    rows = run(oap_cost, tmp_path, *arguments)["rows"]
    assert {row["features"] for row in rows} == ({"maps"} if center == "graph" else {"regions", "random"})
    for row in rows:
        assert row["partitions_checked"]
        assert positive(row, "product_ms", "instance_ratio", "semantic_ratio", "dense_ratio")
        assert row["peak_copies"] is None or row["peak_copies"] >= 0
        shares = [row[f"share_{step}"] for step in ("edges", "merge", "semantic", "rest")]
        assert all(0 <= share <= 1 for share in shares)
        assert sum(shares) == pytest.approx(1)


def test_features_of_another_shape_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "flat.npy", np.zeros((4, 4), dtype=np.float32))
    outcome = CliRunner().invoke(oap_cost, ["--features", str(tmp_path / "flat.npy")])
    assert outcome.exit_code == 2
    assert "[H, W, d]" in outcome.output


def test_train_cost(tmp_path: Path) -> None:
    written = run(train_cost, tmp_path, "--steps", "3", "--set", "decoder.layers=1")
    rows = {row["stage"]: row for row in written["rows"]}
    stages = ["teacher", "pool", "crop", "student", "match and loss", "backward", "update"]
    assert list(rows) == [*stages, REST, WHOLE]
    assert all(positive(row, "ms", "images_per_second", "share") for row in rows.values())
    assert all(positive(rows[stage], "peak_mib") for stage in [*stages, WHOLE])
    assert rows[WHOLE]["share"] == 1
    assert rows[WHOLE]["images_per_second"] * rows[WHOLE]["ms"] == pytest.approx(2 * 1000)
    assert 0 < sum(rows[stage]["ms"] for stage in stages) < 2 * rows[WHOLE]["ms"]  # medians do not quite add up
    assert written["settings"]["repeats"] == 3
    assert written["settings"]["weights"] == "random, centred"


def test_train_cost_refuses_unknown_settings() -> None:
    outcome = CliRunner().invoke(train_cost, ["--set", "decoder.layer=1"])
    assert outcome.exit_code == 2
    assert "decoder.layers" in outcome.output


def test_evaluation_cost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = multiprocessing.get_context("forkserver")  # whose processes have the libraries
    monkeypatch.setattr("benchmarks.evaluation_cost.CONTEXT", loaded)
    monkeypatch.setattr("benchmarks.generated_masks.SHAPES", 12)
    rows = run(evaluation_cost, tmp_path)["rows"]
    instances = {row["contender"]: row for row in rows if row["task"] == "instance"}
    assert set(instances) >= {"pycocotools", "ours, 1 process", "ours, 2 processes"}
    assert all(positive(row, "seconds", "seconds_ratio", "AP", "AR100") for row in instances.values())
    assert len({round(row["AP"], 6) for row in instances.values()}) == 1
    panoptic = [row for row in rows if row["task"] == "panoptic"]
    assert all(positive(row, "ms", "ratio", "PQ") for row in panoptic)


def test_overfit(tmp_path: Path) -> None:
    rows = run(overfit, tmp_path)["rows"]
    assert len(rows) == 2
    for row in rows:
        assert row["steps"] == 3
        assert row["reached"] is None
        assert 0 < row["overlap"] < 0.5
        assert 0 <= row["agreement"] <= 1
        assert positive(row, "segments", "minutes", "clusters_used", "largest_cluster")


@pytest.mark.parametrize(
    ("values", "step"), [([0.9, 0.95], 0), ([0.5, 0.95, 0.8, 0.9, 1.0], 3), ([0.5, 0.89], None), ([0.95, 0.5], None)]
)
def test_the_step_from_which_on_a_mark_is_held(values: list[float], step: int | None) -> None:
    assert reached(values) == step


def test_timing_counts_its_repetitions() -> None:
    calls = 0

    def call() -> None:
        nonlocal calls
        calls += 1

    timing = measure({"call": call}, CPU, repeats=3)["call"]
    assert calls == timing.repeats + 1
    assert 3 <= timing.repeats <= 30
    assert timing.ms == 1e3 * timing.seconds >= 0


def peak_of_ones(mebibytes: int, times: int) -> int | None:
    def call() -> None:
        for _ in range(times):
            torch.ones(mebibytes * 2**18)

    call()
    return peak_extra_bytes(call, CPU)


def peak_of_untouched(mebibytes: int) -> int | None:
    def call() -> None:
        torch.empty(mebibytes * 2**18)

    call()
    return peak_extra_bytes(call, CPU)


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux")
def test_peak_memory_is_what_is_touched_at_once() -> None:
    assert in_fresh_process(peak_of_ones, 40, 3) == pytest.approx(40 * 2**20, rel=0.05)
    assert in_fresh_process(peak_of_untouched, 40) == pytest.approx(0, abs=2**20)


def sleep_too_long() -> None:
    with time_limit(0.05):
        torch.ones(100).sum()
        while True:
            pass


def take_too_much() -> None:
    memory_limit(0.1, CPU)
    torch.ones(10**8)


def fail() -> None:
    raise ValueError("no\nsecond line")


def total_of(tensors: list[torch.Tensor]) -> float:
    return float(sum(tensor.sum() for tensor in tensors))


def test_many_tensors_come_to_a_process() -> None:
    tensors = [*torch.rand(400, 1000)]  # views of one
    assert in_fresh_process(total_of, tensors) == pytest.approx(total_of(tensors))


def test_a_process_that_fails_says_why() -> None:
    slow, large, failed = (in_fresh_process(function) for function in (sleep_too_long, take_too_much, fail))
    assert isinstance(slow, Failed)
    assert slow.cause == "time"
    assert isinstance(large, Failed)
    assert large.cause == "memory"
    assert failed == Failed("error", "no")


def test_report_renders_every_stored_result(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    page = tmp_path / "page.md"
    run = CliRunner().invoke(
        report.main,
        [
            "--template",
            str(root / "benchmarks/page.md"),
            "--results",
            str(root / "benchmarks/results"),
            "-o",
            str(page),
        ],
    )
    assert run.exit_code == 0, run.output
    assert page.read_text() == (root / "docs/benchmarks.md").read_text()  # the page in the docs is up to date
    assert "{{" not in page.read_text()
