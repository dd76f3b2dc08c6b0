"""What the student is taught, and how hard."""

from dataclasses import dataclass

from graphpool.checks import check_choice, check_count, check_number, describe
from segmentation.config.masks import KINDS

TARGETS = ("score", "one")


@dataclass(frozen=True)
class TeacherSettings:
    """The average of the students.

    Attributes:
        momentum: of the average at the first step; it rises to 1 by a cosine.
        instance_segments: most instance segments of a photo, best score first.
        semantic_segments: most semantic segments of a photo.
        center_momentum: of the running mean of the data set's keys.
    """

    momentum: float = 0.996
    instance_segments: int = 150
    semantic_segments: int = 50
    center_momentum: float = 0.99

    def __post_init__(self) -> None:
        check_number("teacher.momentum", self.momentum, 0, 1)
        check_number("teacher.center_momentum", self.center_momentum, 0, 1)
        check_count("teacher.instance_segments", self.instance_segments, 1)
        check_count("teacher.semantic_segments", self.semantic_segments, 1)


@dataclass(frozen=True)
class LossSettings:
    """The terms of the loss.

    Attributes:
        kinds: of segments that are taught.
        dice, cross_entropy, objectness, distillation: weights of the terms.
        no_object: weight of queries without a segment in the objectness.
        objectness_target: of queries with one: its ``"score"``, or ``"one"``.
        points: at which masks are compared.
        student_temperature: of the softmax over clusters.
        teacher_temperature: at the start and from ``teacher_temperature_steps`` on.
        teacher_temperature_steps: over which it rises.
        centering: whether the mean of the teacher's logits is subtracted.
        centering_momentum: of that mean.
    """

    kinds: tuple[str, ...] = KINDS
    dice: float = 5.0
    cross_entropy: float = 5.0
    objectness: float = 2.0
    distillation: float = 1.0
    no_object: float = 0.1
    objectness_target: str = "score"
    points: int = 12544
    student_temperature: float = 0.1
    teacher_temperature: tuple[float, float] = (0.04, 0.07)
    teacher_temperature_steps: int = 30000
    centering: bool = True
    centering_momentum: float = 0.9

    def __post_init__(self) -> None:
        if not self.kinds or not set(self.kinds) <= set(KINDS):
            raise ValueError(f"'losses.kinds' must be some of {', '.join(KINDS)}, got {list(self.kinds)}")
        for name in ("dice", "cross_entropy", "objectness", "distillation", "no_object"):
            check_number(f"losses.{name}", getattr(self, name), 0, float("inf"))
        check_choice("losses.objectness_target", self.objectness_target, TARGETS)
        check_count("losses.points", self.points, 1)
        check_count("losses.teacher_temperature_steps", self.teacher_temperature_steps, 0)
        if len(self.teacher_temperature) != 2:
            raise ValueError(
                f"'losses.teacher_temperature' must be two numbers, got {describe(self.teacher_temperature)}"
            )
        for temperature in (self.student_temperature, *self.teacher_temperature):
            check_number("losses temperatures", temperature, 0, float("inf"), open_low=True)
        check_number("losses.centering_momentum", self.centering_momentum, 0, 1)


@dataclass(frozen=True)
class OptimizerSettings:
    """AdamW and its schedule.

    Attributes:
        steps: of training.
        batch_size: photos a step, over all processes.
        accumulate: parts that a process takes its photos in, to save memory.
        lr: highest learning rate.
        warmup: steps over which it rises; then it falls to zero by a cosine.
        weight_decay: of weights; not of biases, norms, gates and tokens.
        clip: largest norm of the gradient.
        head_frozen: steps in which the last layer of the head stays as it is.
        precision: of the network: ``"auto"`` (bfloat16 on CUDA, else float32), ``"float32"`` or ``"bfloat16"``.
        checkpointing: whether activations are computed twice to save memory.
    """

    steps: int = 160_000
    batch_size: int = 16
    accumulate: int = 1
    lr: float = 6.25e-4
    warmup: int = 10_000
    weight_decay: float = 0.05
    clip: float = 0.01
    head_frozen: int = 0
    precision: str = "auto"
    checkpointing: bool = False

    def __post_init__(self) -> None:
        for name, least in (("steps", 1), ("batch_size", 1), ("accumulate", 1), ("warmup", 0), ("head_frozen", 0)):
            check_count(f"optimizer.{name}", getattr(self, name), least)
        for name in ("lr", "clip"):
            check_number(f"optimizer.{name}", getattr(self, name), 0, float("inf"), open_low=True)
        check_number("optimizer.weight_decay", self.weight_decay, 0, float("inf"))
        check_choice("optimizer.precision", self.precision, ("auto", "float32", "bfloat16"))


@dataclass(frozen=True)
class RunSettings:
    """What is trained on, and what is written.

    Attributes:
        photos: folders of photos.
        sampling: how often each of them is drawn from; ``()`` for in proportion to their photos.
        scenes: number of generated scenes to train on, where there are no photos.
        fixed_views: number of different sets of views of a photo that are ever made; 0 for always new ones.
        seed: of everything that is random.
        workers: processes that read photos; 0 reads them in between.
        save_every: steps between checkpoints.
        log_every: steps between lines of the log.
        panels_every: steps between pictures in the log.
    """

    photos: tuple[str, ...] = ()
    sampling: tuple[float, ...] = ()
    scenes: int = 0
    fixed_views: int = 0
    seed: int = 0
    workers: int = 2
    save_every: int = 1000
    log_every: int = 20
    panels_every: int = 1000

    def __post_init__(self) -> None:
        for name in ("scenes", "fixed_views", "seed", "workers"):
            check_count(f"run.{name}", getattr(self, name), 0)
        for name in ("save_every", "log_every", "panels_every"):
            check_count(f"run.{name}", getattr(self, name), 1)
        if self.sampling and len(self.sampling) != len(self.photos):
            raise ValueError(
                f"'run.sampling' must have one weight for each of the {len(self.photos)} folders, "
                f"got {len(self.sampling)}"
            )
        for weight in self.sampling:
            check_number("run.sampling", weight, 0, float("inf"), open_low=True)
