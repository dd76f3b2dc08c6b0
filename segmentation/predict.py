"""Predicts masks and maps of photos: ``python -m segmentation.predict PHOTOS... --model FOLDER -o OUT``."""

from pathlib import Path
from typing import Any

import click

from segmentation.config.prediction import PredictionSettings
from segmentation.runs.run_command import COMMAND, FILE, NEW_FOLDER, carry_out, photo_options
from segmentation.runs.run_plan import RunPlan

FORMATS = ("coco", "panoptic", "semantic", "overlay", "html", "clusters")
_SHARE = click.FloatRange(0, 1)


def _default(name: str) -> str:
    return f"  [default: {getattr(PredictionSettings, name)}]"


@click.command(**COMMAND)
@click.option("--model", required=True, type=NEW_FOLDER, help="Folder of a trained model (segmentation.train).")
@click.option("--names", type=FILE, help="File of names of clusters (JSON), see above.")
@click.option("--max-overlap", type=_SHARE, help="Segments whose IoU with a better one is larger are left out.")
@click.option("--no-snap", is_flag=True, help="Leave masks as predicted, where the model would have them snapped.")
@click.option("--confidence", type=_SHARE, help="Panoptic map: least objectness of a segment.  [default: by the model]")
@click.option(
    "--overlap",
    type=_SHARE,
    help=f"Panoptic map: least share of a segment's mask that better ones leave to it.{_default('overlap')}",
)
@click.option(
    "--stuff-area",
    type=click.IntRange(0),
    help=f"Panoptic map: least area of stuff, in pixels.{_default('stuff_area')}",
)
@click.option(
    "--semantic-threshold",
    type=click.FloatRange(0),
    help=f"Semantic map: least score of a cluster, below which a pixel has none.{_default('semantic_threshold')}",
)
@photo_options(FORMATS, FORMATS, dtype_of="network")
def predict(photos: tuple[Path, ...], model: Path, output: Path, **options: Any) -> None:
    """Predict instances, a semantic map and a panoptic map of PHOTOS (files and folders) with a trained model.

    Writes instances.json (COCO format), panoptic.json and panoptic/ (COCO panoptic format), semantic/ (the cluster of
    each pixel, 16 bits, 65535 for none), an overlay picture of each photo, an HTML page to look at, clusters/ (the
    best segments of each cluster) and clusters.json. Write names into clusters.json, and whether clusters are things
    or stuff, and hand it to --names: clusters of one name become one.

    Photos that cannot be read are named and skipped, and the exit status is then 1. A run that was interrupted
    (exit status 130) is continued with --resume.
    """
    known = PredictionSettings.__dataclass_fields__
    changes = {name: value for name, value in options.items() if name in known and value is not None}
    if options["no_snap"]:
        changes["snap"] = None

    def open_run(plan: RunPlan) -> Any:
        from segmentation.prediction.clusters import read_mapping
        from segmentation.runs.predict_run import PredictRun

        names = None if options["names"] is None else read_mapping(options["names"])
        return PredictRun(plan, model, changes, names)

    carry_out(open_run, photos, output, options)


if __name__ == "__main__":
    predict()
