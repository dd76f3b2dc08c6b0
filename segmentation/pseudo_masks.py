"""Masks for a folder of photos: ``python -m segmentation.pseudo_masks PHOTOS... -o OUT``."""

import hashlib
import sys
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from segmentation.config import MaskSettings, load_preset, preset_names
from segmentation.data.photos import PhotoList, find_photos
from segmentation.engine.device import DTYPES
from segmentation.engine.mask_run import FORMATS, MaskRun
from segmentation.engine.run_folder import RunFolder
from segmentation.masker import PseudoMasker

INTERRUPTED, SOME_SKIPPED = 130, 1


def _numbers(_context: click.Context, parameter: click.Parameter, text: str | None) -> tuple[float, ...] | None:
    try:
        return None if text is None else tuple(float(part) for part in text.split(","))
    except ValueError:
        raise click.BadParameter(f"expected numbers with commas between, got {text!r}", param=parameter) from None


def _formats(_context: click.Context, parameter: click.Parameter, text: str) -> tuple[str, ...]:
    chosen = tuple(dict.fromkeys(part.strip() for part in text.split(",")))
    unknown = [part for part in chosen if part not in FORMATS]
    if unknown:
        raise click.BadParameter(f"expected some of {','.join(FORMATS)}, got {','.join(unknown)}", param=parameter)
    return chosen


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
@click.option("--batch-size", type=click.IntRange(1), default=8, help="Photos at a time.")
@click.option("--device", default="auto", help="auto, cpu, cuda, cuda:1 ...")
@click.option("--dtype", type=click.Choice(DTYPES), default="auto", help="Of the encoder.")
@click.option(
    "--format", "formats", callback=_formats, default="coco,overlay,html", help=f"What to write: {','.join(FORMATS)}."
)
@click.option("--max-photos-in-page", type=click.IntRange(1), default=200, help="The HTML page holds the first ones.")
@click.option("--resume", is_flag=True, help="Continue the run that is in the folder.")
@click.option("--overwrite", is_flag=True, help="Replace the run that is in the folder.")
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
        found = _photos(photos, output)
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
            "weights_sha256": _sha256(options["weights"]) if options["weights"] else None,
            "dtype": options["dtype"],
            "format": list(options["formats"]),
            **{name: getattr(settings, name) for name in MaskSettings.__dataclass_fields__},
            "thresholds": list(settings.thresholds),
        }
        folder = RunFolder(output, asked, resume=options["resume"], overwrite=options["overwrite"])
    except (ValueError, TypeError, OSError) as error:
        raise click.ClickException(str(error)) from error
    roots = [path for path in photos if path.is_dir()]
    run = MaskRun(
        masker,
        folder,
        found,
        asked=asked,
        formats=options["formats"],
        root=roots[0].resolve() if len(photos) == 1 and roots else None,
        batch_size=options["batch_size"],
        max_photos_in_page=options["max_photos_in_page"],
        console=console,
    )
    if not run.process():
        console.print(f"interrupted after {len(folder.done)} of {len(found)} photos; continue with --resume")
        sys.exit(INTERRUPTED)
    run.finish()
    sys.exit(SOME_SKIPPED if run.skipped else 0)


def _sha256(path: Path) -> str:
    """Names the weights, whatever their file is called: with others, a run cannot be resumed."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(2**20):
            digest.update(block)
    return digest.hexdigest()


def _photos(paths: tuple[Path, ...], output: Path) -> PhotoList:
    """The photos in ``paths``, without the overlays that an earlier run wrote to a folder among them."""
    found = find_photos(paths)
    overlays = (output / "overlays").resolve()
    photos = [photo for photo in found if overlays not in photo.path.resolve().parents]
    if not photos:
        raise ValueError(f"no photos in {', '.join(map(str, paths))} but in {overlays}, which holds overlays")
    return PhotoList(photos, found.ignored, found.unreadable)


def _settings(options: dict[str, Any]) -> MaskSettings:
    names = ("size", "thresholds", "center", "min_area", "max_masks", "refine", "semantic")
    return load_preset(options["preset"], **{name: options[name] for name in names if options[name] is not None})


if __name__ == "__main__":
    pseudo_masks()
