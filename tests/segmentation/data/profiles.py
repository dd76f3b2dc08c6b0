"""Colour profiles, by their formulas."""

import struct

import numpy as np
from numpy.typing import NDArray
from PIL import ImageCms


def srgb_profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def colorants(profile: bytes) -> dict[bytes, int]:
    """Where the tags of the three primaries hold their XYZ."""
    tags = [struct.unpack_from(">4sII", profile, 132 + 12 * i) for i in range(*struct.unpack_from(">I", profile, 128))]
    return {name: start + 8 for name, start, _ in tags if name in (b"rXYZ", b"gXYZ", b"bXYZ")}


def primaries(profile: bytes) -> NDArray[np.float64]:
    """Linear RGB to XYZ (D50)."""
    where = colorants(profile)
    columns = [struct.unpack_from(">3i", profile, where[name]) for name in (b"rXYZ", b"gXYZ", b"bXYZ")]
    return np.array(columns).T / 65536


def display_p3() -> bytes:
    """The sRGB profile with other primaries."""
    profile = bytearray(srgb_profile())
    p3 = {
        b"rXYZ": (0.51512, 0.24120, -0.00105),
        b"gXYZ": (0.29198, 0.69225, 0.04189),
        b"bXYZ": (0.15710, 0.06657, 0.78407),
    }
    for name, start in colorants(bytes(profile)).items():
        struct.pack_into(">3i", profile, start, *(round(value * 65536) for value in p3[name]))
    return bytes(profile)


def cmyk_profile(lab: NDArray[np.uint8]) -> bytes:
    """A press whose 16 corners (C, M, Y, K none or full) have the given colours, as 8-bit L, a, b."""
    ramps = bytes(range(256))
    lut = b"mft1" + bytes(4) + bytes([4, 3, 2, 0]) + struct.pack(">9i", *(np.eye(3, dtype=int) * 65536).ravel())
    lut += 4 * ramps + lab.tobytes() + 3 * ramps
    header = struct.pack(
        ">I4sI4s4s4s12s4s", 144 + len(lut), b"lcms", 0x02400000, b"prtr", b"CMYK", b"Lab ", bytes(12), b"acsp"
    )
    header = header.ljust(68, b"\0") + struct.pack(">3i", 63190, 65536, 54061)
    return header.ljust(128, b"\0") + struct.pack(">I4sII", 1, b"A2B0", 144, len(lut)) + lut


def srgb_of_xyz(xyz: NDArray[np.float64]) -> NDArray[np.float64]:
    linear = np.clip(xyz @ np.linalg.inv(primaries(srgb_profile())).T, 0, 1)
    return 255 * np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def srgb_of_lab(lab: NDArray[np.uint8]) -> NDArray[np.float64]:
    light, a, b = np.moveaxis(lab.astype(float), -1, 0)
    y = (light / 2.55 + 16) / 116
    f = np.stack([y + (a - 128) / 500, y, y - (b - 128) / 200], axis=-1)
    xyz = np.where(f > 6 / 29, f**3, 3 * (6 / 29) ** 2 * (f - 4 / 29))
    return srgb_of_xyz(xyz * [0.9642, 1.0, 0.8249])
