"""Caches tokens and segments of views that come again, for a frozen encoder."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from segmentation.models.multi_scale_encoder import BlockTokens, MultiScaleEncoder
from segmentation.teaching.teacher import TeacherSegments

PhotoSegments = dict[str, TeacherSegments]


class ViewCache:
    """Keeps the tokens and segments of views, by a hash of their pixels.

    What is kept in half precision is rounded on first use too, so that a resumed run sees the same values; keys stay in
    float32.

    Args:
        encoder: frozen encoder.
        keep: whether views come again; if not, nothing is kept.
    """

    def __init__(self, encoder: MultiScaleEncoder, *, keep: bool) -> None:
        self.encoder, self.keep = encoder, keep
        self._tokens: dict[bytes, list[Tensor]] = {}
        self._segments: dict[bytes, PhotoSegments] = {}

    @torch.no_grad()
    def tokens(
        self, views: Sequence[UInt8[Tensor, "3 side side"]], pixels: Float[Tensor, "views 3 side side"]
    ) -> BlockTokens:
        """Encodes views, or looks them up.

        Args:
            views: views as they were cut.
            pixels: the same views in [0, 1], on the device of the encoder.
        """
        names = [_hash(view) for view in views]
        found = {name: self._tokens[name] for name in names if name in self._tokens}
        for name, own in zip(names, pixels, strict=True):  # one at a time: the same values whatever they come with
            if name not in found:
                made = self.encoder.block_tokens(own[None])
                found[name] = [made.keys[0].cpu(), *(tokens[0].half().cpu() for tokens in made.intermediates)]
        if self.keep:
            self._tokens.update(found)
        keys, *intermediates = (
            torch.stack(column).to(pixels.device) for column in zip(*(found[name] for name in names), strict=True)
        )
        return BlockTokens(keys, tuple(tokens.to(pixels.dtype) for tokens in intermediates))

    def segments(
        self, views: Sequence[UInt8[Tensor, "3 side side"]], find: Callable[[int], PhotoSegments]
    ) -> list[PhotoSegments]:
        """Finds the teacher's segments of views, or looks them up.

        Args:
            views: views as they were cut.
            find: finds the segments of the view at an index.
        """
        found = []
        for place, view in enumerate(views):
            name = _hash(view)
            own = self._segments.get(name)
            if own is None:
                own = {kind: replace(made, masks=made.masks.half()) for kind, made in find(place).items()}
            if self.keep:
                self._segments[name] = own
            found.append({kind: replace(made, masks=made.masks.float()) for kind, made in own.items()})
        return found


def _hash(view: Tensor) -> bytes:
    return hashlib.blake2b(view.numpy().tobytes(), digest_size=16).digest()
