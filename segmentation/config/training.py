"""Settings of a training run: views, network, teacher, losses, optimizer and output."""

from collections.abc import Mapping
from dataclasses import field
from typing import Any, Literal

from pydantic import StrictBool, StrictStr

from segmentation.config.checked import (
    Count,
    CountOrZero,
    ListOf,
    NonEmptyListOf,
    NonNegative,
    Pair,
    Positive,
    PositiveShare,
    Share,
    settings,
)
from segmentation.config.masks import Kind, MaskSettings


@settings("views.window")
class WindowSettings:
    """Random windows of views: the part that the student sees in a step."""

    side: PositiveShare = 1.0  #: smallest height and width of a window, as a share of the view's; 1 for whole views.
    flip: Share = 0.0  #: probability that a window is mirrored.


@settings()
class ViewSettings:
    """Views that are cut from each photo: one global view for the teacher, global and local ones for the student."""

    size: Count  #: side of the global view, in pixels.
    #: area of the photo that the global view shows; ``"square"`` is a square as large as the photo's shorter side in a
    #: random place, ``"squash"`` the whole photo, squashed to a square.
    crop: Literal["square", "squash"]
    local_views: CountOrZero  #: number of the student's views of a part of the global view.
    local_size: Count  #: side of the local views, in pixels.
    min_area: PositiveShare = 0.05  #: smallest share of the global view's area that a local view shows.
    max_area: PositiveShare = 0.4  #: largest share of the global view's area that a local view shows.
    min_aspect: PositiveShare = 3 / 4  #: smallest aspect ratio of that part; the largest is its inverse.
    global_views: CountOrZero = 0  #: number of the student's views of the whole global view, in its size.
    flip: Share = 0.5  #: probability that one of the student's views is mirrored.
    jitter: Share = 0.8  #: probability of a colour jitter, per student's view.
    grey: Share = 0.2  #: probability of a conversion to grey, per student's view.
    blur: Share = 0.5  #: probability of a Gaussian blur, per student's view.
    window: WindowSettings = WindowSettings()  #: random windows of views, drawn anew in every step.

    def __post_init__(self) -> None:
        if self.local_size > self.size:
            raise ValueError(f"'local_size' must be at most 'size' ({self.size}), got {self.local_size}")
        if self.min_area > self.max_area:
            raise ValueError(f"'min_area' must be at most 'max_area' ({self.max_area}), got {self.min_area}")
        if not self.local_views + self.global_views:
            raise ValueError("'local_views' and 'global_views' must not both be 0: the student would see nothing")


@settings("encoder")
class EncoderSettings:
    """The vision transformer."""

    name: StrictStr  #: timm's name of the model.
    weights: StrictStr | None = None  #: file of pretrained weights; ``None`` for those that timm downloads.
    init: Literal["pretrained", "random"] = "pretrained"  #: initial weights.
    #: arguments for ``timm.create_model``; only with ``init="random"``.
    options: Mapping[StrictStr, Any] = field(default_factory=dict)
    freeze: StrictBool = False  #: whether it is not trained, has no injectors, and encodes fixed views only once.
    lr_factor: Share = 0.1  #: learning rate of the transformer, as a share of ``optimizer.lr``.
    #: factor by which photos are reduced for the transformer; 2 is as if its patch were twice as large.
    shrink: Count = 1


@settings("adapter")
class AdapterSettings:
    """The ViT-Adapter, which makes multi-scale feature maps from the transformer's tokens."""

    interactions: Count = 4  #: number of interactions of tokens and maps, each after an equal share of the blocks.
    heads: Count = 6  #: number of heads of deformable attention.
    points: Count = 4  #: number of sampling points per head and level of deformable attention.
    value_ratio: PositiveShare = 0.5  #: width of deformable attention's values, as a share of its channels.
    stem_channels: Count = 64  #: width of the first convolutions.
    map_channels: Count | None = None  #: width of the maps; ``None`` for the tokens'; others for a frozen encoder only.
    shrink: Count = 1  #: factor by which photos are reduced for the convolutions; 2 halves the resolution of all masks.
    center_keys: StrictBool = False  #: whether to subtract each photo's mean key before keys are added to the maps.
    #: whether the finest map starts as the keys, each repeated over its patch, and all that is added to them at zero.
    zero_init: StrictBool = False


@settings("decoder")
class DecoderSettings:
    """Mask2Former's pixel decoder and mask decoder."""

    channels: Count = 256  #: width of both decoders.
    heads: Count = 8  #: number of attention heads in both decoders.
    points: Count = 4  #: number of sampling points per head and level of the pixel decoder's deformable attention.
    pixel_layers: Count = 6  #: number of layers of the pixel decoder.
    pixel_feedforward: Count = 1024  #: width of the pixel decoder's feed-forward layers.
    layers: Count = 9  #: number of layers of the mask decoder.
    feedforward: Count = 2048  #: width of the mask decoder's feed-forward layers.
    instance_queries: Count = 150  #: number of [INS] queries.
    semantic_queries: Count = 50  #: number of [SEM] queries.

    def __post_init__(self) -> None:
        if self.channels % self.heads:
            raise ValueError(f"'decoder.channels' must be a multiple of the {self.heads} heads, got {self.channels}")


@settings("head")
class HeadSettings:
    """DINO's head, which assigns queries and segments to clusters."""

    clusters: Count = 512  #: number of clusters, K.
    layers: Count = 3  #: number of layers of the MLP.
    hidden: Count = 2048  #: width of the MLP's hidden layers.
    bottleneck: Count = 256  #: width of the MLP's output, which is normalised and compared with the prototypes.


@settings("teacher")
class TeacherSettings:
    """The teacher, an exponential moving average (EMA) of the student."""

    #: what segments are groups of, ``"keys"`` of the transformer's last self-attention or the pixels of the adapter's
    #: finest ``"map"``, of stride 4.
    tokens: Literal["keys", "map"] = "keys"
    scale: Count = 1  #: factor by which photos are enlarged for these tokens, so that segments are made of more.
    momentum: Share = 0.996  #: momentum of the EMA at the first step; it rises to 1 by a cosine.
    instance_segments: Count = 150  #: largest number of instance segments per photo, best score first.
    semantic_segments: Count = 50  #: largest number of semantic segments per photo, best score first.
    center_momentum: Share = 0.99  #: momentum of the running mean of the data set's keys.


@settings("losses")
class LossSettings:
    """The terms of the loss."""

    kinds: NonEmptyListOf[Kind] = ("instance", "semantic")  #: kinds of segments that are taught.
    dice: NonNegative = 5.0  #: weight of the dice loss of masks.
    cross_entropy: NonNegative = 5.0  #: weight of the binary cross-entropy of masks.
    objectness: NonNegative = 2.0  #: weight of the binary cross-entropy of objectness.
    distillation: NonNegative = 1.0  #: weight of the cross-entropy of the teacher's and the student's clusters.
    no_object: NonNegative = 0.1  #: weight, in the objectness term, of queries without a matched segment.
    objectness_target: Literal["score", "one"] = "score"  #: target of matched queries, the segment's score or 1.
    points: Count = 12544  #: number of points per pair of masks at which the masks are compared.
    student_temperature: Positive = 0.1  #: temperature of the student's softmax over clusters.
    #: temperature of the teacher's softmax at the first step, and from step ``teacher_temperature_steps`` on.
    teacher_temperature: Pair[Positive] = (0.04, 0.07)
    teacher_temperature_steps: CountOrZero = 30000  #: number of steps over which that temperature changes linearly.
    centering: StrictBool = True  #: whether the running mean of the teacher's logits is subtracted from them.
    centering_momentum: Share = 0.9  #: momentum of the running mean of the teacher's logits.


@settings("optimizer")
class OptimizerSettings:
    """AdamW and its schedule."""

    steps: Count = 160_000  #: number of training steps.
    batch_size: Count = 16  #: number of photos per step, over all processes.
    accumulate: Count = 1  #: number of micro-batches per process and step; more need less memory.
    lr: Positive = 6.25e-4  #: peak learning rate.
    warmup: CountOrZero = 10_000  #: number of steps of the linear rise of the learning rate; a cosine to zero follows.
    weight_decay: NonNegative = 0.05  #: weight decay, but not of biases, norms, gates, embeddings and prototypes.
    clip: Positive = 0.01  #: largest norm of the gradient.
    head_frozen: CountOrZero = 0  #: number of first steps in which the head's last layer (prototypes) is not trained.
    precision: Literal["auto", "float32", "bfloat16"] = "auto"  #: data type; auto is bfloat16 on CUDA, else float32.
    checkpointing: StrictBool = False  #: whether activations are computed again in the backward pass, to save memory.


@settings("run")
class RunSettings:
    """The training photos, and what a run writes."""

    photos: ListOf[StrictStr] = ()  #: folders of photos.
    sampling: ListOf[Positive] = ()  #: sampling weight of each folder; ``()`` samples every photo equally often.
    scenes: CountOrZero = 0  #: number of generated scenes to train on where there are no photos.
    fixed_views: CountOrZero = 0  #: number of sets of views per photo, which come again; 0 draws new ones every time.
    seed: CountOrZero = 0  #: seed of everything random.
    workers: CountOrZero = 2  #: number of processes that load photos; 0 loads them in the training process.
    save_every: Count = 1000  #: number of steps between checkpoints.
    log_every: Count = 20  #: number of steps between lines of the log.
    panels_every: Count = 1000  #: number of steps between pictures of predictions in the log.

    def __post_init__(self) -> None:
        folders, weights = len(self.photos), len(self.sampling)
        if weights not in (0, folders):
            raise ValueError(f"'run.sampling' must have one weight for each of the {folders} folders, got {weights}")


@settings()
class TrainSettings:
    """All settings of a training run, in sections."""

    masks: MaskSettings  #: how the teacher groups its view into segments, and how a trained model's masks are made.
    views: ViewSettings  #: the views that are cut from photos.
    encoder: EncoderSettings  #: the vision transformer.
    adapter: AdapterSettings = AdapterSettings()  #: the ViT-Adapter, which makes multi-scale feature maps.
    decoder: DecoderSettings = DecoderSettings()  #: Mask2Former's pixel decoder and mask decoder.
    head: HeadSettings = HeadSettings()  #: DINO's head, which assigns queries and segments to clusters.
    teacher: TeacherSettings = TeacherSettings()  #: the EMA of the student.
    losses: LossSettings = LossSettings()  #: the terms of the loss.
    optimizer: OptimizerSettings = OptimizerSettings()  #: AdamW and its schedule.
    run: RunSettings = RunSettings()  #: the training photos, and what is written.

    def __post_init__(self) -> None:
        for kind in self.losses.kinds:
            segments, queries = getattr(self.teacher, f"{kind}_segments"), getattr(self.decoder, f"{kind}_queries")
            if segments > queries:
                raise ValueError(
                    f"'decoder.{kind}_queries' must be at least 'teacher.{kind}_segments' ({segments}), got {queries}"
                )
        if "semantic" in self.losses.kinds and not self.masks.semantic:
            raise ValueError("'masks.semantic' must be true where 'losses.kinds' has semantic, got false")
        if self.encoder.freeze and self.teacher.tokens == "map":
            raise ValueError("'teacher.tokens' must be keys where 'encoder.freeze' keeps them for later steps, got map")
        if self.encoder.freeze and self.teacher.scale > 1:
            raise ValueError(
                f"'teacher.scale' must be 1 where 'encoder.freeze' keeps keys for later steps, got {self.teacher.scale}"
            )
