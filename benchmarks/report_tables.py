"""Defines the tables of every benchmark."""

from collections.abc import Sequence

from benchmarks.report_columns import Column, Pivot, Row, Table, interval, number, percent, text
from benchmarks.report_peers import PEER_TABLES


def spent(row: Row) -> str:
    """Shows time and memory of a layer, or why there are none."""
    if row["reason"] is not None:
        return row["reason"]
    return f"{number('forward_ms')(row)} + {number('backward_ms')(row)} ms, {number('peak_mib')(row)} MiB"


def stage(row: Row) -> str:
    """Shows a stage of a training step; for the whole step also its batch."""
    if row["stage"] != "whole step":
        return str(row["stage"])
    photos = "1 photo" if row["batch_size"] == 1 else f"{row['batch_size']} photos"
    return f"whole step: {photos}, {row['segments']:.0f} segments each, load before: {row['load']:.1f}"


OAP = Table(
    lambda row: True,
    [
        Column("features", lambda row: row["features"]),
        Column("tokens x channels", lambda row: f"{row['tokens']:,} x {row['channels']}"),
        Column("F Fᵀ, ms", number("product_ms")),
        Column("five levels, ms", number("instance_ms")),
        Column("and semantic, ms", number("semantic_ms")),
        Column("/ F Fᵀ", number("instance_ratio", 3, "x")),
        Column("and semantic / F Fᵀ", number("semantic_ratio", 3, "x")),
        Column("literal dense / ours (instance)", number("dense_ratio", 3, "x")),
        Column("peak memory, copies of A", number("peak_copies")),
    ],
)

QUALITY = Table(
    lambda row: True,
    [
        Column("choice", text("choice")),
        *(Column(key, number(key)) for key in ("AP", "AP50", "AR100", "APS", "APM", "APL")),
        Column("best overlap", number("best_overlap")),
        Column("masks a photo", number("masks")),
    ],
)

EVALUATION_COST = [
    Table(
        lambda row: row["task"] == "instance",
        [
            Column("masks and boxes", text("contender")),
            Column("images x predictions", lambda row: f"{row['images']:,} x {row['masks']}"),
            Column("s", number("seconds")),
            Column("/ pycocotools", number("seconds_ratio", 3, "x")),
            Column("s of the processor in its own process", number("own_seconds")),
            Column("peak memory, MiB", number("peak_mib")),
            Column("/ pycocotools", number("memory_ratio", 3, "x")),
            Column("AP", number("AP", 5)),
        ],
    ),
    Table(
        lambda row: row["task"] == "panoptic",
        [
            Column("panoptic quality", text("contender")),
            Column("images", lambda row: f"{row['images']} of {row['size'][0]} x {row['size'][1]}"),
            Column("ms an image", number("ms")),
            Column("/ ours", number("ratio", 3, "x")),
            Column("PQ", number("PQ", 4)),
        ],
    ),
]

TRAIN_COST = Table(
    lambda row: True,
    [
        Column("stage", stage),
        Column("ms", number("ms")),
        Column("images/s", number("images_per_second")),
        Column("share of the step", percent("share")),
        Column("peak memory, MiB", number("peak_mib")),
    ],
)

OVERFIT = Table(
    lambda row: True,
    [
        Column("what is trained", text("variant")),
        Column("steps", text("steps")),
        Column("minutes", number("minutes", 2)),
        Column("segments a photo", number("segments")),
        Column("IoU of matched masks", number("overlap")),
        Column("same cluster", percent("agreement")),
        Column("largest cluster", percent("largest_cluster")),
        Column("both at 0.9 from step", number("reached")),
    ],
)

TEACHING = Table(
    lambda row: True,
    [
        Column("training", text("variant")),
        Column("seed", text("seed")),
        Column("step", lambda row: f"{row['step']:,} of {row['steps']:,}"),
        Column("masks", text("masks")),
        *(Column(key, number(key)) for key in ("AP", "AP50", "AR100", "mIoU", "PQ")),
        Column("IoU with what is taught", number("overlap")),
    ],
)

TOKEN_SETS = Table(
    lambda row: True,
    [
        Column("tokens", text("tokens")),
        Column("px", text("size")),
        Column("centred", text("center")),
        Column("one setting: AP", number("AP")),
        Column("AR100", number("AR100")),
        Column("best overlap", number("best_overlap")),
        Column("thresholds tuned for these: AP", number("tuned_AP")),
        Column("AR100", number("tuned_AR100")),
        Column("best overlap", number("tuned_best_overlap")),
        Column("tuned by factor", number("factor")),
        Column("AP more, 95 % interval", interval("gain_AP")),
        Column("AR100 more", interval("gain_AR100")),
        Column("thresholds as they are: AP", number("fixed_AP")),
        Column("AR100", number("fixed_AR100")),
    ],
)

LEVELS: Sequence[Table | Pivot] = [
    Table(
        lambda row: row["table"] == "forest",
        [
            Column("graph", lambda row: f"{row['case']}, {row['nodes']:,} nodes, {row['edges']:,} edges"),
            Column("SciPy's `minimum_spanning_tree`, ms", number("scipy_ms")),
            Column("`connected_components`, ms", number("components_ms")),
            Column("`maximum_spanning_forest`, ms", number("ours_ms")),
            Column("/ SciPy", number("scipy_ratio", 3, "x")),
            Column("/ components", number("components_ratio", 3, "x")),
        ],
    ),
    Table(
        lambda row: row["table"] == "cloud",
        [
            Column("share to keep", number("ratio")),
            Column("`AgglomerativePool`", text("layer")),
            Column("left", text("left")),
            Column("largest supernode", text("largest")),
            Column("single nodes", text("singles")),
            Column("variance of features lost", percent("features_lost")),
            Column("of positions", percent("positions_lost")),
            Column("ms", number("ms")),
        ],
    ),
    Pivot(
        lambda row: row["table"] == "kept",
        "data set, share to keep",
        lambda row: f"{row['dataset']}, {row['ratio']:g}",
        text("layer"),
        percent("kept"),
    ),
]

TABLES: dict[str, Sequence[Table | Pivot]] = {
    "components": [
        Table(
            lambda row: True,
            [
                Column("graph", text("case")),
                Column("rounds", text("rounds")),
                Column("SciPy's best call, ms", number("scipy_best_ms")),
                Column("which", text("scipy_best_call")),
                Column("as PyG calls it, ms", number("pyg_ms")),
                Column("ours, ms", number("ours_ms")),
                Column("static form, ms", number("static_ms")),
                Column("ours / SciPy's best", number("ours_ratio", 3, "x")),
            ],
        )
    ],
    "levels": LEVELS,
    "oap_cost": [OAP],
    "evaluation_cost": EVALUATION_COST,
    "overfit": [OVERFIT],
    "pseudo_mask_quality": [QUALITY],
    "teaching": [TEACHING],
    "token_sets": [TOKEN_SETS],
    "train_cost": [TRAIN_COST],
    **PEER_TABLES,
    "pooling_cost": [
        Table(
            lambda row: row["table"] == "budgets" and row["against"] == "TopKPooling",
            [
                Column("layer, on 16 grids of 784 nodes, d = 64", text("layer")),
                Column("nodes left of 12,544", number("nodes_left", 4)),
                Column("forward, ms", number("forward_ms")),
                Column("/ TopK", number("forward_ratio", 3, "x")),
                Column("forward and backward, ms", number("both_ms")),
                Column("/ TopK", number("both_ratio", 3, "x")),
            ],
        ),
        Table(
            lambda row: row["table"] == "budgets" and row["against"] == "ClusterPooling",
            [
                Column("layer, on 16 grids of 784 nodes, d = 64", text("layer")),
                Column("forward, ms", number("forward_ms")),
                Column("ClusterPooling, ms", number("other_ms")),
                Column("faster by", number("speedup", 3, "x")),
            ],
        ),
        Table(
            lambda row: row["table"] == "layers",
            [
                Column("layer", text("layer")),
                Column("graph", text("graph")),
                Column("nodes", lambda row: f"{row['nodes']:,}"),
                Column("forward + backward, peak memory; or why not", spent),
            ],
        ),
    ],
}
