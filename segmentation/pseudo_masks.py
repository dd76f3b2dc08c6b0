"""Makes masks of photos without labels: ``python -m segmentation.pseudo_masks PHOTOS... -o OUT``."""

from pathlib import Path
from typing import Any

import click

from segmentation.config import MaskSettings, load_preset, preset_names
from segmentation.runs.run_command import COMMAND, FILE, carry_out, photo_options
from segmentation.runs.run_plan import RunPlan

_ENCODER, _PRESET = "vit_base_patch8_224.dino", "photos"
FORMATS = ("coco", "overlay", "html", "npz")


def _numbers(_context: click.Context, parameter: click.Parameter, text: str | None) -> tuple[float, ...] | None:
    try:
        return None if text is None else tuple(float(part) for part in text.split(","))
    except ValueError:
        raise click.BadParameter(f"expected numbers with commas between, got {text!r}", param=parameter) from None


@click.command(**COMMAND)
@click.option("--preset", type=click.Choice(preset_names()), help=f"Settings to start from.  [default: {_PRESET}]")
@click.option("--encoder", help=f"Vision transformer, by timm's name.  [default: {_ENCODER}]")
@click.option("--weights", type=FILE, help="File of its weights.  [default: those of timm's hub]")
@click.option(
    "--model",
    type=click.Path(path_type=Path),
    help="Instead: run of segmentation.train, or its model.safetensors, for the keys of its encoder, the settings of "
    "its training, and scores times the thingness of clusters.",
)
@click.option(
    "--ratios", callback=_numbers, help="Levels by the share of a photo's tokens that they leave, such as 0.3,0.1,0.03."
)
@click.option("--thresholds", callback=_numbers, help="Levels by thresholds instead, such as 0.8,0.7,0.6,0.5,0.4.")
@click.option(
    "--linkage",
    type=click.Choice(["balanced", "single"]),
    help="Merge the most alike neighbours first, small ones before large ones (balanced), or all that edges above a "
    "threshold connect (single).  [default: the preset's; single with --thresholds]",
)
@click.option("--blocks", type=click.IntRange(1), help="Last blocks of the transformer whose keys are taken.")
@click.option(
    "--mirror/--no-mirror", default=None, help="Encode the mirrored photo too: better masks, twice the encoder's time."
)
@click.option(
    "--center", type=click.Choice(["graph", "none"]), help="Subtract each photo's mean token (graph), or not."
)
@click.option("--min-area", type=click.IntRange(1), help="Smallest segment, in tokens.")
@click.option(
    "--semantic/--no-semantic", default=None, help="Make semantic masks too: what looks alike, wherever it is."
)
@photo_options(FORMATS, ("coco", "overlay", "html"), dtype_of="encoder")
def pseudo_masks(photos: tuple[Path, ...], output: Path, **options: Any) -> None:
    """Make a hierarchy of instance and semantic masks of PHOTOS (files and folders), without labels.

    Writes instances.json (COCO format), an overlay picture of each photo, an HTML page to look at, and with
    --format npz label maps. Photos that cannot be read are named and skipped, and the exit status is then 1.
    A run that was interrupted (exit status 130) is continued with --resume.
    """
    model, weights = options["model"], options["weights"]
    both = [f"--{name}" for name in ("preset", "encoder", "weights") if options[name] is not None]
    if model is not None and both:
        raise click.UsageError(f"--model and {both[0]} exclude each other: a model has its own encoder and settings")

    def open_run(plan: RunPlan) -> Any:
        from segmentation.prediction.masker import PseudoMasker
        from segmentation.runs.mask_run import MaskRun, encoder_source, model_source

        known = MaskSettings.__dataclass_fields__
        changes = {name: value for name, value in options.items() if name in known and value is not None}
        if model is not None:
            masker = PseudoMasker.from_pretrained(model, plan.device, plan.dtype, **changes)
            return MaskRun(plan, masker, model_source(model))
        encoder, settings = options["encoder"] or _ENCODER, load_preset(options["preset"] or _PRESET, **changes)
        masker = PseudoMasker(encoder, weights, settings=settings, device=plan.device, dtype=plan.dtype)
        return MaskRun(plan, masker, encoder_source(encoder, weights))

    carry_out(open_run, photos, output, options)


if __name__ == "__main__":
    pseudo_masks()
