"""Makes pseudo-masks of photos: encodes, pools, scores."""

from collections.abc import Callable, Sequence
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from segmentation.base.device import StageCosts, choose_device, choose_dtype
from segmentation.config import MaskSettings, load_preset
from segmentation.config.load import change_masks
from segmentation.config.masks import KINDS
from segmentation.data.model_input import Photo, photo_arrays, resize_photo, token_grid
from segmentation.models.encoder import TokenEncoder
from segmentation.models.files import load_model, model_folder
from segmentation.models.model_tokens import ModelTokens
from segmentation.models.universal_model import UniversalModel
from segmentation.segments.grouping import GroupedTokens, group_tokens, of_length, with_length
from segmentation.segments.photo_segments import photo_segments
from segmentation.segments.score import Cues
from segmentation.segments.scored_masks import looking_cell, pixels_per_token, scored_masks
from segmentation.segments.segment import PhotoMasks, Segment


class PseudoMasker:
    """Makes a hierarchy of instance and semantic masks of photos, without labels or training.

    Encodes photos by a vision transformer, groups the tokens of the whole batch in one call of Online Agglomerative
    Pooling, scores what comes out, and returns masks at the size of each photo. The masks of a photo do not depend on
    what else is in the batch.

    With a trained model its encoder makes the keys, and the score of every instance candidate is multiplied by the
    thingness of its cluster, which the model assigns to the candidate's mean key.

    Args:
        encoder: name of a timm vision transformer, a :class:`TokenEncoder`, or a trained
            :class:`~segmentation.models.universal_model.UniversalModel`.
        weights: file of the encoder's weights; ``None`` takes timm's pretrained ones.
        settings: ``None`` for the preset ``photos``; see :func:`load_preset`.
        device: ``"auto"`` (CUDA where there is one), or a torch device.
        dtype: precision of the encoder: ``"auto"`` (bfloat16 on CUDA, else float32), ``"float32"``, ``"bfloat16"`` or
            ``"float16"``. Pooling runs in float32 whatever it is.
        score: scores segments by their :class:`~segmentation.segments.score.Cues`; ``None`` for the score of the
            settings.

    Attributes:
        costs: time and memory of each stage so far.

    Raises:
        ValueError, FileNotFoundError, ConnectionError: see :class:`TokenEncoder`.

    Example:
        >>> encoder = TokenEncoder("vit_tiny_patch16_224", init="random")
        >>> masker = PseudoMasker(encoder, settings=load_preset(size=64), device="cpu")
        >>> photo = np.zeros((48, 64, 3), dtype=np.uint8)
        >>> [found] = masker([photo])
        >>> found.height, found.width
        (48, 64)
    """

    def __init__(
        self,
        encoder: str | TokenEncoder | UniversalModel,
        weights: str | Path | None = None,
        *,
        settings: MaskSettings | None = None,
        device: str | torch.device = "auto",
        dtype: str = "auto",
        score: Callable[[Cues], Tensor] | None = None,
    ) -> None:
        self.settings = load_preset() if settings is None else settings
        self.device = choose_device(device)
        self.dtype = choose_dtype(dtype, self.device)
        if isinstance(encoder, TokenEncoder | UniversalModel) and weights is not None:
            raise ValueError("'weights' must be None with an encoder that is made already, got a file")
        self.model: UniversalModel | None = None
        self.encoder: TokenEncoder | ModelTokens
        if isinstance(encoder, UniversalModel):
            self.model = encoder.to(self.device).eval()
            if encoder.thingness.counts.any() and not encoder.key_mean.any():
                raise ValueError(
                    "'encoder' must be a model that keeps the mean key of its photos, without which clusters of "
                    "segments are unknown, got one without: its training is of an earlier version"
                )
            self.encoder = ModelTokens(encoder, self.settings.blocks, self.dtype)
        else:
            if not isinstance(encoder, TokenEncoder):
                encoder = TokenEncoder(encoder, weights, blocks=self.settings.blocks)
            self.encoder = encoder.to(self.device, self.dtype).eval()
        patch = self.encoder.patch_size
        if self.settings.size < patch:
            raise ValueError(f"'size' must be at least the patch of {patch}, got {self.settings.size}")
        self.costs = StageCosts(self.device)
        self.score = score

    @classmethod
    def from_pretrained(
        cls,
        model: str | PathLike[str],
        device: str | torch.device = "auto",
        dtype: str = "auto",
        *,
        score: Callable[[Cues], Tensor] | None = None,
        **changes: Any,
    ) -> "PseudoMasker":
        """Loads the model that a training run left, and takes the settings of masks that it was trained with.

        Args:
            model: folder of the run, or the ``model.safetensors`` in it, beside its ``config.yaml``.
            device, dtype, score: see :class:`PseudoMasker`.
            changes: settings that replace those of the training.

        Raises:
            FileNotFoundError: one of the files is missing.
            TypeError, ValueError: one of them is damaged, they do not fit each other, or an argument does not fit.
        """
        network, settings = load_model(model_folder(Path(model)))
        return cls(network, settings=change_masks(settings.masks, **changes), device=device, dtype=dtype, score=score)

    @property
    def kinds(self) -> tuple[str, ...]:
        """Returns the kinds of masks that are made."""
        return KINDS if self.settings.semantic else KINDS[:1]

    @torch.inference_mode()
    def __call__(self, photos: Sequence[Photo]) -> list[PhotoMasks]:
        """Finds the masks of each photo.

        Args:
            photos: files, PIL images (as they are, not turned by EXIF), or RGB arrays ``[H, W, 3]`` uint8, of any
                sizes; all are one batch.

        Raises:
            TypeError: something else.
            PhotoError: a file that cannot be decoded.
        """
        with self.costs.stage("decode"):
            arrays = photo_arrays(photos)
        return self.find(arrays, self.encode(arrays))

    @torch.inference_mode()
    def encode(self, photos: Sequence[NDArray[np.uint8]]) -> list[Tensor]:
        """Does the first half of a call: makes the keys of each photo, ``[rows * columns, channels]``.

        The keys of several blocks, and of the mirrored photo turned back, stand side by side.
        """
        dtype = self.dtype if self.model is None else torch.float32  # a model casts what it computes, not its input
        with self.costs.stage("encode"):
            pixels = [
                resize_photo(photo, *size).to(self.device, dtype)
                for photo, size in zip(photos, self._sizes(photos), strict=True)
            ]
            keys = self.encoder.encode_photos(pixels)
            if not self.settings.mirror:
                return keys
            mirrored = self.encoder.encode_photos([photo.flip(2) for photo in pixels])
            return [
                torch.cat([own, other.unflatten(0, grid).flip(1).flatten(0, 1)], 1)
                for own, other, grid in zip(keys, mirrored, self._grids(photos), strict=True)
            ]

    @torch.inference_mode()
    def find(self, photos: Sequence[NDArray[np.uint8]], keys: Sequence[Tensor]) -> list[PhotoMasks]:
        """Does the second half of a call: pools the keys of the photos and makes their masks."""
        if not photos:
            return []
        with self.costs.stage("pool"):
            parts = self.encoder.blocks * (2 if self.settings.mirror else 1)
            grouped = group_tokens(keys, self._grids(photos), self.settings, self._values(keys), parts=parts)
        with self.costs.stage("score"):
            return [self._photo_masks(photo, tokens) for photo, tokens in zip(photos, grouped, strict=True)]

    def _grids(self, photos: Sequence[NDArray[np.uint8]]) -> list[tuple[int, int]]:
        return [self.encoder.grid(*size) for size in self._sizes(photos)]

    def _sizes(self, photos: Sequence[NDArray[np.uint8]]) -> list[tuple[int, int]]:
        """Returns height and width at which each photo is encoded."""
        size, patch = self.settings.size, self.encoder.patch_size
        grids = [token_grid(photo.shape[0], photo.shape[1], size, patch) for photo in photos]
        return [(rows * patch, columns * patch) for rows, columns in grids]

    def _values(self, keys: Sequence[Tensor]) -> list[Tensor] | None:
        """Returns what the features of a model's candidates are averaged from: the keys of its last block."""
        if self.model is None:
            return None
        width, blocks = self.model.token_channels, self.encoder.blocks
        return [with_length(own[:, (blocks - 1) * width : blocks * width]) for own in keys]

    def _photo_masks(self, photo: NDArray[np.uint8], grouped: GroupedTokens) -> PhotoMasks:
        settings = self.settings
        pixels = torch.from_numpy(photo).to(self.device).permute(2, 0, 1).float().div_(255)
        most = dict.fromkeys(self.kinds, settings.max_masks)
        segments: list[Segment] = []
        model, thingness = self.model, None
        cell = looking_cell(settings)  # no other masks are needed before they get the size of the photo
        if model is not None:
            cell = min(cell, pixels_per_token("map" if model.by_map else "keys"))
            thingness = partial(_thingness, model)
        for kind, scored in scored_masks(grouped, pixels, settings, most, self.score, cell, thingness).items():
            start = len(segments)
            segments += [
                segment.shifted(start)
                for segment in photo_segments(kind, scored, pixels, refine=settings.refine, clean=settings.clean)
            ]
        labels = {kind: grouped.candidates[kind].labels.to(torch.int32).cpu().numpy() for kind in self.kinds}
        return PhotoMasks(
            photo.shape[0], photo.shape[1], settings.levels, tuple(segments), labels, settings.ratios is not None
        )


def _thingness(model: UniversalModel, features: Tensor) -> Tensor:
    """Returns the thingness of candidates, whose features are averaged from keys with their length."""
    return model.segment_thingness(of_length(features))
