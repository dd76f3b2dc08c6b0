"""Predictions for a folder of photos: ``python -m segmentation.predict PHOTOS... --model FOLDER -o OUT``."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from segmentation.config.prediction import PredictionSettings
from segmentation.models.files import MODEL_FILE
from segmentation.prediction.clusters import ClusterMapping, read_mapping
from segmentation.prediction.segmentor import Segmentor
from segmentation.runs.predict_run import FORMATS, PredictRun
from segmentation.runs.run_command import photos_to_do, run_options, run_plan, run_to_the_end, sha256

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
@click.option("--max-masks", type=click.IntRange(1), help="Most segments a photo and kind.")
@click.option("--max-overlap", type=_SHARE, help="Segments of a larger IoU with a better one are left out.")
@click.option("--refine/--no-refine", default=None, help="Let masks follow the edges of the photo.")
@click.option("--no-snap", is_flag=True, help="Leave masks as predicted, where the model would have them snapped.")
@click.option("--confidence", type=_SHARE, help="Panoptic map: least objectness of a segment.  [default: by the model]")
@click.option("--overlap", type=_SHARE, help=f"... least share of its mask that others leave.{_default('overlap')}")
@click.option(
    "--stuff-area", type=click.IntRange(0), help=f"... least area of stuff, in pixels.{_default('stuff_area')}"
)
@click.option(
    "--semantic-threshold",
    type=click.FloatRange(0),
    help=f"Semantic map: pixels with less have none.{_default('semantic_threshold')}",
)
@run_options(FORMATS, FORMATS, dtype_of="network")
def predict(photos: tuple[Path, ...], model: Path, output: Path, **options: Any) -> None:
    """Predict instances, a semantic map and a panoptic map of PHOTOS (files and folders) with a trained model.

    Writes instances.json (COCO format), panoptic.json and panoptic/ (COCO panoptic format), semantic/ (the cluster of
    each pixel, 16 bits, 65535 for none), an overlay picture of each photo, an HTML page to look at, clusters/ (the
    best segments of each cluster) and clusters.json. Somebody who writes names into clusters.json, and whether they
    are things or stuff, can hand it to --names; clusters of one name become one.

    Photos that cannot be read are named and skipped, and the exit status is then 1. A run that was interrupted
    (exit status 130) goes on with --resume.
    """
    console = Console(stderr=True, highlight=False)
    if options["resume"] and options["overwrite"]:
        raise click.UsageError("--resume and --overwrite exclude each other")
    changes = {name: options[name] for name in PredictionSettings.__dataclass_fields__ if options.get(name) is not None}
    if options["no_snap"]:
        changes["snap"] = None
    try:
        found = photos_to_do(photos, output)
        names = ClusterMapping({}) if options["names"] is None else read_mapping(options["names"])
        segmentor = Segmentor.from_pretrained(
            model,
            options["device"],
            options["dtype"],
            names=names,
            **changes,
        )
        asked = {
            "model": model.resolve().name,
            "model_sha256": sha256(model / MODEL_FILE),
            **asdict(segmentor.prediction),
            "names": {
                str(cluster): [named.name, named.kind]
                for cluster, named in sorted(names.clusters.items())
                if named.name != str(cluster) or named.kind
            },
        }
        plan = run_plan(photos, found, output, asked, options)
    except (ValueError, TypeError, OSError) as error:
        raise click.ClickException(str(error)) from error
    run_to_the_end(PredictRun(segmentor, plan, console))


if __name__ == "__main__":
    predict()
