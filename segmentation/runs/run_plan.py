"""What a run over photos does: with which photos, where to, and how."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from segmentation.data.photos import PhotoList, find_photos

_PICTURES = ("overlays", "panoptic", "semantic", "clusters")  # folders of pictures that runs write


@dataclass(frozen=True)
class RunPlan:
    """What a run over photos does.

    Attributes:
        given: files and folders that the photos were found in.
        photos: the photos.
        output: folder to write.
        formats: what to write.
        device: where the network runs.
        dtype: precision of the network.
        batch_size: number of photos that are predicted at a time.
        max_photos_in_page: number of photos on the HTML page, the first ones of the run.
        resume: whether to continue the run that is in the folder.
        overwrite: whether to replace it.
    """

    given: Sequence[Path]
    photos: PhotoList
    output: Path
    formats: Sequence[str]
    device: str = "auto"
    dtype: str = "auto"
    batch_size: int = 8
    max_photos_in_page: int = 200
    resume: bool = False
    overwrite: bool = False

    @property
    def root(self) -> Path | None:
        """The folder that the names of the photos start from, if only one folder was given."""
        return self.given[0].resolve() if len(self.given) == 1 and self.given[0].is_dir() else None


def find_run_photos(paths: Sequence[Path], output: Path) -> PhotoList:
    """Finds the photos in files and folders, without the pictures that an earlier run wrote to a folder among them.

    Raises:
        FileNotFoundError, ValueError: there are none.
    """
    found = find_photos(paths)
    written = {(output / name).resolve() for name in _PICTURES}
    photos = [photo for photo in found if written.isdisjoint(photo.path.resolve().parents)]
    if not photos:
        raise ValueError(f"no photos in {', '.join(map(str, paths))} but the pictures of a run in {output}")
    return PhotoList(photos, found.ignored, found.unreadable)
