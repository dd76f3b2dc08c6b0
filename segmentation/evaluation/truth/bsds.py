"""BSDS500: several human segmentations of each photo."""

from pathlib import Path

from segmentation.evaluation.truth.layout import first_there, listed

LAYOUT = """\
  groundTruth/val/*.mat     human segmentations of each photo
  images/val/*.jpg          the photos
  (both in the folder itself, or in BSR/BSDS500/data/ as the archive has them)"""


def ground_truth_folder(root: Path, split: str) -> Path:
    """The folder with the segmentations of a split."""
    places = [root, root / "data", root / "BSDS500/data", root / "BSR/BSDS500/data"]
    folder = first_there(root, LAYOUT, [place / "groundTruth" / split for place in places])
    listed(root, LAYOUT, folder, "*.mat")
    return folder
