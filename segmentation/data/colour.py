"""An image of any mode as sRGB: its colour profile, its depth, what is transparent."""

import io
from functools import lru_cache

import numpy as np
from PIL import Image, ImageCms
from PIL.ImageFile import ImageFile

from segmentation.data.formats import PhotoError, tiff_tag

_BITS, _PHOTOMETRIC = 258, 262
_BLACK_POINT = 0x2000  # cmsFLAGS_BLACKPOINTCOMPENSATION; ImageCms.Flags is younger than Pillow 10.0
_SAME = 2  # levels of 255 by which profiles that all mean sRGB differ


def as_srgb(image: Image.Image) -> Image.Image:
    """The loaded image as sRGB, its transparent parts over white; PhotoError where no value is known to be white."""
    deep = image.mode in ("I", "F") or image.mode.startswith("I;16")
    colour, alpha = _deep_grey(image) if deep else _without_alpha(image)
    transform = _to_srgb(image.info.get("icc_profile"), colour.mode)
    photo = colour.convert("RGB") if transform is None else _transformed(colour, transform)
    if alpha is None:
        return photo
    white = Image.new("RGB", photo.size, "white")
    white.paste(photo, mask=alpha)
    return white


def check_transparent_colour(image: ImageFile) -> None:
    """Pillow gives the transparent colour of a PNG in the file's bits, but the pixels in 8."""
    key = image.info.get("transparency")
    if image.format != "PNG" or key is None or not image.tile:
        return
    raw_mode = str(image.tile[0][3])
    if raw_mode.startswith("RGB;16"):
        raise PhotoError("a transparent colour of 16 bits a channel, which 8 bits cannot tell apart")
    if raw_mode in ("L;2", "L;4"):
        image.info["transparency"] = key * {"L;2": 85, "L;4": 17}[raw_mode]


def _without_alpha(image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """The colours in a mode that has profiles (L, RGB, CMYK, LAB), and the alpha if there is one."""
    palette = image.palette.mode if image.mode == "P" and image.palette is not None else ""
    keyed = image.mode in ("1", "L", "P", "RGB") and "transparency" in image.info
    if keyed or palette.endswith("A") or image.mode in ("La", "PA", "RGBa"):
        image = image.convert("LA" if image.mode in ("1", "L", "La") else "RGBA")
    alpha = image.getchannel("A") if image.mode in ("LA", "RGBA") else None
    kept = {"1": "L", "LA": "L", "L": "L", "CMYK": "CMYK", "LAB": "LAB"}.get(image.mode, "RGB")
    return (image if image.mode == kept else image.convert(kept)), alpha


def _deep_grey(image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """Greys of more than 8 bits, scaled so that white is 255, and where the transparent one is."""
    values = np.asarray(image)
    white = 65535.0
    if image.mode == "F":
        low, high = float(values.min()), float(values.max())
        if not (low >= 0 and high <= 1):  # NaN included
            raise PhotoError(f"float values from {low:g} to {high:g}, expected 0 to 1")
        white = 1.0
    elif image.format == "TIFF" and image.mode != "I":
        white = 2.0 ** tiff_tag(image, _BITS, 16) - 1  # 12 bits stay 12 bits
    elif image.mode == "I" and image.format not in ("PNG", "PPM"):
        raise PhotoError("32-bit or signed greys, whose white is not known")
    shades = values.astype(np.float32)
    if tiff_tag(image, _PHOTOMETRIC, 1) == 0:  # white is zero; Pillow inverts 8 bits only
        shades = white - shades
    grey = Image.fromarray((shades * np.float32(255 / white)).round().astype(np.uint8))
    key = image.info.get("transparency")
    return grey, None if key is None else Image.fromarray(np.where(values == key, 0, 255).astype(np.uint8))


@lru_cache(maxsize=8)
def _to_srgb(profile: bytes | None, mode: str) -> ImageCms.ImageCmsTransform | None:
    """None where the profile is missing, unusable (damaged, or for other channels) or no different from sRGB."""
    if profile is None and mode != "LAB":
        return None
    try:
        lab = mode == "LAB"
        source = ImageCms.createProfile("LAB") if lab else ImageCms.ImageCmsProfile(io.BytesIO(profile or b""))
        srgb, intent = ImageCms.createProfile("sRGB"), ImageCms.Intent.RELATIVE_COLORIMETRIC
        transform = ImageCms.buildTransform(source, srgb, mode, "RGB", intent, _BLACK_POINT)  # type: ignore[arg-type]
    except (ImageCms.PyCMSError, OSError):
        return None
    if mode not in ("L", "RGB"):
        return transform
    steps = np.arange(256) if mode == "L" else np.indices((6, 6, 6)).reshape(3, -1).T * 51
    probe = Image.fromarray(np.ascontiguousarray(steps[None], dtype=np.uint8))
    plain, exact = (np.asarray(i, np.int16) for i in (probe.convert("RGB"), _transformed(probe, transform)))
    return None if np.abs(plain - exact).max() <= _SAME else transform


def _transformed(image: Image.Image, transform: ImageCms.ImageCmsTransform) -> Image.Image:
    converted = ImageCms.applyTransform(image, transform)
    if converted is None:  # only where it works in place
        raise PhotoError("its colour profile cannot be applied")
    return converted
