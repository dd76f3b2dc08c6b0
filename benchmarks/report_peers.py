"""Defines the tables of the comparisons with others: pseudo-masks, graphs, scaling, ablations."""

from collections.abc import Sequence

from benchmarks.report_columns import Column, Pivot, Row, Table, number, of_table, percent, text

_COCO = [
    *(Column(key, number(key)) for key in ("AP", "AP50", "AR100")),
    Column("best overlap", number("best_overlap")),
    Column("masks a photo", number("masks")),
]


def accuracy(row: Row) -> str:
    """Shows accuracy, its deviation and the fraction of nodes that the first layer keeps; a dash if there is none."""
    if row["reason"] is not None:
        return "–"
    return f"{row['accuracy']:.1f} ± {row['deviation']:.1f} ({100 * row['kept_first']:.0f} %)"


def pooling(row: Row) -> str:
    """Shows a layer, and the fraction of the nodes that it is made to keep."""
    return str(row["pool"]) if row["asked"] is None else f"{row['pool']}, made to keep {100 * row['asked']:.0f} %"


def error(row: Row) -> str:
    """Shows the error of a reconstruction, its deviation and the fraction of the nodes that were left."""
    if row["reason"] is not None:
        return "–"
    return f"{row['error']:.3f} ± {row['deviation']:.3f} ({100 * row['kept']:.0f} %)"


def tokens(row: Row) -> str:
    """Shows the number of tokens and channels that something is timed on."""
    photos = "" if row["photos"] == 1 else f", mean of {row['photos']}"
    return f"{row['features']}{photos}: {row['tokens']:,} x {row['channels']}"


PEER_TABLES: dict[str, Sequence[Table | Pivot]] = {
    "pseudo_masks": [
        Table(of_table("quality"), [Column("method", text("method")), Column("masks are", text("treatment")), *_COCO]),
        Table(
            of_table("times"),
            [
                Column("tokens x channels", tokens),
                Column("method", text("method")),
                Column("solver", text("solver")),
                Column("ms a photo", number("ms")),
                Column("/ OAP, 5 levels", number("ratio", 3, "x")),
                Column("peak memory, MiB", number("peak_mib")),
                Column("masks", number("found")),
                Column("photos with the same masks as the authors' solver", percent("same_masks")),
            ],
        ),
    ],
    "graph_classification": [
        Pivot(of_table("accuracy"), "pooling: accuracy, % (nodes kept)", pooling, text("dataset"), accuracy),
        Pivot(of_table("accuracy"), "p against AgglomerativePool", pooling, text("dataset"), number("p", 2)),
        Table(
            of_table("ranks"),
            [
                Column("pooling", pooling),
                Column("mean rank", number("rank")),
                Column("nodes kept", percent("kept_first")),
                Column("data sets", text("sets")),
            ],
        ),
        Pivot(of_table("cost"), "pooling: ms an epoch", text("pool"), text("dataset"), number("epoch_ms")),
        Pivot(of_table("cost"), "pooling: peak memory, MiB", text("pool"), text("dataset"), number("peak_mib")),
        Pivot(lambda row: row.get("reason") is not None, "left out", text("pool"), lambda row: "why", text("reason")),
    ],
    "reconstruction": [
        Pivot(lambda row: True, "pooling: error / variance (nodes left)", pooling, text("data"), error),
    ],
    "scaling": [
        Table(
            of_table("pooling"),
            [
                Column("over", text("axis")),
                Column(
                    "photos x tokens x channels", lambda row: f"{row['photos']} x {row['side']}² x {row['channels']}"
                ),
                Column("F Fᵀ, ms", number("product_ms")),
                Column("five levels, ms", number("instance_ms")),
                Column("and semantic, ms", number("semantic_ms")),
                Column("features only, ms", number("features_ms")),
                Column("five levels / F Fᵀ", number("instance_ratio", 3, "x")),
                Column("peak memory, MiB", number("peak_mib")),
            ],
        ),
        Table(
            of_table("training"),
            [
                Column("processes", text("processes")),
                Column("photos a second", number("images_per_second")),
                Column("speed-up", number("speedup", 3, "x")),
            ],
        ),
    ],
    "ablations": [
        Table(of_table("masks"), [Column("what", text("group")), Column("choice", text("choice")), *_COCO]),
        Table(
            of_table("training"),
            [
                Column("short training", text("choice")),
                Column("steps", text("steps")),
                *(Column(key, number(key)) for key in ("AP", "AP50", "AR100", "mIoU", "PQ")),
                Column("minutes", number("minutes", 2)),
            ],
        ),
    ],
}
