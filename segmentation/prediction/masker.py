"""Pseudo-masks of photos: encode, pool, score."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from graphpool import grid_graph
from graphpool.affinity_state import unit_tokens
from graphpool.batch_layout import Layout
from segmentation.base.device import choose_device, choose_dtype
from segmentation.base.stage_costs import StageCosts
from segmentation.config import MaskSettings, load_preset
from segmentation.config.masks import KINDS
from segmentation.data.model_input import Photo, photo_arrays, resize_photo, token_grid
from segmentation.models.encoder import TokenEncoder
from segmentation.segments.grouping import Candidates, hierarchy_candidates, make_pool
from segmentation.segments.score import Cues, SegmentScore
from segmentation.segments.segment import PhotoMasks, Segment
from segmentation.segments.selection import find_segments


class PseudoMasker:
    """A hierarchy of instance and semantic masks of photos, without labels or training.

    Encodes photos by a vision transformer, groups the tokens of the whole batch in one call of Online Agglomerative
    Pooling, scores what comes out, and returns masks at the size of each photo. The masks of a photo do not depend on
    what else is in the batch.

    Args:
        encoder: the name of a timm vision transformer, or a :class:`TokenEncoder`.
        weights: file of the encoder's weights; ``None`` takes timm's pretrained ones.
        settings: ``None`` for the preset ``photos``; see :func:`load_preset`.
        device: ``"auto"`` (CUDA where there is one), or a torch device.
        dtype: of the encoder: ``"auto"`` (bfloat16 on CUDA, else float32), ``"float32"``, ``"bfloat16"`` or
            ``"float16"``. Pooling runs in float32 whatever it is.
        score: ranks segments by their :class:`~segmentation.segments.score.Cues`.

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
        encoder: str | TokenEncoder,
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
        if isinstance(encoder, TokenEncoder):
            if weights is not None:
                raise ValueError("'weights' must be None with an encoder that is made already, got a file")
        else:
            encoder = TokenEncoder(encoder, weights)
        if self.settings.size < encoder.patch_size:
            raise ValueError(f"'size' must be at least the patch of {encoder.patch_size}, got {self.settings.size}")
        self.encoder = encoder.to(self.device, self.dtype).eval()
        self.costs = StageCosts(self.device)
        settings = self.settings
        self.score = SegmentScore(settings.score) if score is None else score
        self.pool = make_pool(settings)

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of masks that are made."""
        return KINDS if self.settings.semantic else KINDS[:1]

    @torch.inference_mode()
    def __call__(self, photos: Sequence[Photo]) -> list[PhotoMasks]:
        """The masks of each photo.

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
        """The first half of a call: keys of each photo, ``[rows * columns, channels]``."""
        patch = self.encoder.patch_size
        with self.costs.stage("encode"):
            pixels = [
                resize_photo(photo, rows * patch, columns * patch).to(self.device, self.dtype)
                for photo, (rows, columns) in zip(photos, self._grids(photos), strict=True)
            ]
            return self.encoder.encode_photos(pixels)

    @torch.inference_mode()
    def find(self, photos: Sequence[NDArray[np.uint8]], keys: Sequence[Tensor]) -> list[PhotoMasks]:
        """The second half of a call: pools the keys of the photos and makes their masks."""
        if not photos:
            return []
        with self.costs.stage("pool"):
            tokens, candidates = self._group(keys, self._grids(photos))
        with self.costs.stage("score"):
            return [
                self._photo_masks(photo, own, {kind: candidates[kind][index] for kind in self.kinds})
                for index, (photo, own) in enumerate(zip(photos, tokens, strict=True))
            ]

    def _grids(self, photos: Sequence[NDArray[np.uint8]]) -> list[tuple[int, int]]:
        size, patch = self.settings.size, self.encoder.patch_size
        return [token_grid(photo.shape[0], photo.shape[1], size, patch) for photo in photos]

    def _group(
        self, keys: Sequence[Tensor], grids: list[tuple[int, int]]
    ) -> tuple[tuple[Tensor, ...], dict[str, list[Candidates]]]:
        """Centred unit tokens of each photo, and its candidates of each kind."""
        sizes = [len(own) for own in keys]
        starts = np.cumsum([0, *sizes[:-1]]).tolist()
        connectivity = self.settings.connectivity
        edges = [
            grid_graph(*grid, connectivity=connectivity, device=self.device) + start
            for grid, start in zip(grids, starts, strict=True)
        ]
        batch = torch.repeat_interleave(torch.tensor(sizes, device=self.device))
        x = torch.cat(list(keys))
        hierarchy = self.pool(x, torch.cat(edges, 1), batch)
        tokens = unit_tokens(x, Layout.of(batch, len(keys)), self.settings.center).split(sizes)
        return tokens, hierarchy_candidates(hierarchy, grids)

    def _photo_masks(self, photo: NDArray[np.uint8], tokens: Tensor, candidates: dict[str, Candidates]) -> PhotoMasks:
        pixels = torch.from_numpy(photo).to(self.device).permute(2, 0, 1).float().div_(255)
        segments: list[Segment] = []
        for kind, found in candidates.items():
            start = len(segments)
            for segment in find_segments(kind, found, tokens, pixels, self.settings, self.score):
                segments.append(segment.shifted(start))
        labels = {kind: found.labels.to(torch.int32).cpu().numpy() for kind, found in candidates.items()}
        height, width = photo.shape[:2]
        return PhotoMasks(height, width, self.settings.thresholds, tuple(segments), labels)
