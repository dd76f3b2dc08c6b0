"""All settings of a training run."""

from dataclasses import dataclass

from segmentation.config.masks import MaskSettings
from segmentation.config.network import AdapterSettings, DecoderSettings, EncoderSettings, HeadSettings
from segmentation.config.teaching import LossSettings, OptimizerSettings, RunSettings, TeacherSettings
from segmentation.config.views import ViewSettings


@dataclass(frozen=True)
class TrainSettings:
    """All settings of a training run, in sections.

    Attributes:
        masks: how the teacher makes segments of its view, and the size of whole photos in prediction.
        views: what is cut from photos.
        encoder, adapter, decoder, head: the network.
        teacher, losses, optimizer: the teaching.
        run: what is trained on, and what is written.

    Raises:
        ValueError: settings that do not go together.
    """

    masks: MaskSettings
    views: ViewSettings
    encoder: EncoderSettings
    adapter: AdapterSettings
    decoder: DecoderSettings
    head: HeadSettings
    teacher: TeacherSettings
    losses: LossSettings
    optimizer: OptimizerSettings
    run: RunSettings

    def __post_init__(self) -> None:
        for kind in self.losses.kinds:
            segments, queries = getattr(self.teacher, f"{kind}_segments"), getattr(self.decoder, f"{kind}_queries")
            if segments > queries:
                raise ValueError(
                    f"'decoder.{kind}_queries' must be at least 'teacher.{kind}_segments' ({segments}), got {queries}"
                )
        if "semantic" in self.losses.kinds and not self.masks.semantic:
            raise ValueError("'masks.semantic' must be true where 'losses.kinds' has semantic, got false")
