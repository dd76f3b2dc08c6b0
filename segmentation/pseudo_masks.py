"""Masks for a folder of photos: ``python -m segmentation.pseudo_masks PHOTOS... -o OUT``."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from segmentation.config import MaskSettings, load_preset, preset_names
from segmentation.config.load import to_plain
from segmentation.prediction.masker import PseudoMasker
from segmentation.runs.mask_run import FORMATS, MaskRun
from segmentation.runs.run_command import photos_to_do, run_options, run_plan, run_to_the_end, sha256


def _numbers(_context: click.Context, parameter: click.Parameter, text: str | None) -> tuple[float, ...] | None:
    try:
        return None if text is None else tuple(float(part) for part in text.split(","))
    except ValueError:
        raise click.BadParameter(f"expected numbers with commas between, got {text!r}", param=parameter) from None


@click.command(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.argument("photos", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", required=True, type=click.Path(file_okay=False, path_type=Path), help="Folder to write."
)
@click.option("--preset", type=click.Choice(preset_names()), default="photos", help="Settings to start from.")
@click.option("--encoder", default="vit_base_patch8_224.dino", help="Vision transformer, by timm's name.")
@click.option("--weights", type=click.Path(dir_okay=False, path_type=Path), help="Its weights; timm's hub without.")
@click.option("--size", type=click.IntRange(1), help="Photos get about as many pixels as a square of this side.")
@click.option("--thresholds", callback=_numbers, help="Of the levels, such as 0.8,0.7,0.6,0.5,0.4.")
@click.option(
    "--center", type=click.Choice(["graph", "none"]), help="Subtract each photo's mean token before grouping."
)
@click.option("--min-area", type=click.IntRange(1), help="Smallest segment, in tokens.")
@click.option("--max-masks", type=click.IntRange(1), help="Most masks a photo and kind.")
@click.option("--refine/--no-refine", default=None, help="Let masks follow the edges of the photo.")
@click.option("--semantic/--no-semantic", default=None, help="Group regions wherever they lie, too.")
@run_options(FORMATS, ("coco", "overlay", "html"), dtype_of="encoder")
def pseudo_masks(photos: tuple[Path, ...], output: Path, **options: Any) -> None:
    """Make a hierarchy of instance and semantic masks of PHOTOS (files and folders), without labels.

    Writes instances.json (COCO format), an overlay picture of each photo, an HTML page to look at, and with
    --format npz label maps. Photos that cannot be read are named and skipped, and the exit status is then 1.
    A run that was interrupted (exit status 130) goes on with --resume.
    """
    console = Console(stderr=True, highlight=False)
    if options["resume"] and options["overwrite"]:
        raise click.UsageError("--resume and --overwrite exclude each other")
    try:
        settings = _settings(options)
        found = photos_to_do(photos, output)
        masker = PseudoMasker(
            options["encoder"],
            options["weights"],
            settings=settings,
            device=options["device"],
            dtype=options["dtype"],
        )
        asked = {
            "encoder": options["encoder"],
            "weights": options["weights"].name if options["weights"] else None,
            "weights_sha256": sha256(options["weights"]) if options["weights"] else None,
            **to_plain(asdict(settings)),
        }
        plan = run_plan(photos, found, output, asked, options)
    except (ValueError, TypeError, OSError) as error:
        raise click.ClickException(str(error)) from error
    run_to_the_end(MaskRun(masker, plan, console))


def _settings(options: dict[str, Any]) -> MaskSettings:
    names = ("size", "thresholds", "center", "min_area", "max_masks", "refine", "semantic")
    return load_preset(options["preset"], **{name: options[name] for name in names if options[name] is not None})


if __name__ == "__main__":
    pseudo_masks()
