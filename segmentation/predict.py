"""Predicts masks and maps of photos: ``python -m segmentation.predict PHOTOS... --model FOLDER -o OUT``."""

from pathlib import Path
from typing import Any

import click

from segmentation.config.prediction import PredictionSettings
from segmentation.runs.run_command import carry_out, run_options
from segmentation.runs.run_plan import RunPlan

FORMATS = ("coco", "panoptic", "semantic", "overlay", "html", "clusters")
_FOLDER = click.Path(file_okay=False, path_type=Path)
_SHARE = click.FloatRange(0, 1)


def _default(name: str) -> str:
    return f"  [default: {getattr(PredictionSettings, name)}]"


@click.command(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.argument("photos", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--model", required=True, type=_FOLDER, help="Folder of a trained model (segmentation.train).")
@click.option("-o", "--output", required=True, type=_FOLDER, help="Folder to write.")
@click.option("--names", type=click.Path(dir_okay=False, path_type=Path), help="Names of clusters: JSON, see below.")
@click.option("--size", type=click.IntRange(1), help="Photos get about as many pixels as a square of this side.")
@click.option("--max-masks", type=click.IntRange(1), help="Most segments of a photo and kind.")
@click.option("--max-overlap", type=_SHARE, help="Segments whose IoU with a better one is larger are left out.")
@click.option("--refine/--no-refine", default=None, help="Let masks follow the edges of the photo.")
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
@run_options(FORMATS, FORMATS, dtype_of="network")
def predict(photos: tuple[Path, ...], model: Path, output: Path, **options: Any) -> None:
    """Predict instances, a semantic map and a panoptic map of PHOTOS (files and folders) with a trained model.

    Writes instances.json (COCO format), panoptic.json and panoptic/ (COCO panoptic format), semantic/ (the cluster of
    each pixel, 16 bits, 65535 for none), an overlay picture of each photo, an HTML page to look at, clusters/ (the
    best segments of each cluster) and clusters.json. Write names into clusters.json, and whether clusters are things
    or stuff, and hand it to --names: clusters of one name become one.

    Photos that cannot be read are named and skipped, and the exit status is then 1. A run that was interrupted
    (exit status 130) is continued with --resume.
    """
    changes = {name: options[name] for name in PredictionSettings.__dataclass_fields__ if options.get(name) is not None}
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
