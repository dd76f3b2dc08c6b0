"""UVO: frames of videos with all their objects, in COCO's format."""

from pathlib import Path

from segmentation.evaluation.truth.ground_truth import GroundTruth, read_ground_truth
from segmentation.evaluation.truth.layout import first_there

LAYOUT = """\
  annotations/val_sparse_cleaned_cls_agnostic.json   objects of the sparsely labelled frames, as CutLER gives them
                                                     (or FrameSet/UVO_frame_val.json, as UVO gives them, or
                                                     UVO_frame_val.json)
  all_UVO_frames/*.jpg                               the frames (for --model)"""


def annotation_file(root: Path, split: str) -> Path:
    """The file with the objects of a split."""
    choices = [
        root / "annotations" / f"{split}_sparse_cleaned_cls_agnostic.json",
        root / "annotations" / f"{split}_sparse_cleaned.json",
        *(root / folder / f"UVO_frame_{split}.json" for folder in ("annotations", "FrameSet", "")),
    ]
    return first_there(root, LAYOUT, choices)


def read_instances(root: Path, split: str) -> GroundTruth:
    """The objects of a split."""
    return read_ground_truth(annotation_file(root, split))
