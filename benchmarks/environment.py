"""Describes what a measurement ran on: machine, versions, commit."""

import os
import platform
import re
import subprocess
from importlib import metadata
from pathlib import Path

import torch

_ROOT = Path(__file__).parents[1]
_LIBRARIES = ("torch", "torch_geometric", "scipy", "numpy", "graphpool")


def machine() -> dict[str, object]:
    """Returns processor, cores, memory, Python, and the GPU if there is one."""
    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
    }


def versions() -> dict[str, str | None]:
    """Returns the versions of the libraries used; that of ``graphpool`` from its source if it is not installed."""
    return {name: _version(name) for name in _LIBRARIES}


def commit() -> str | None:
    """Returns the checked-out commit, with ``+changes`` if files differ from it; ``None`` outside a repository."""
    revision = _git("rev-parse", "HEAD")
    if revision is None:
        return None
    return f"{revision}+changes" if _git("status", "--porcelain", "--untracked-files=no") else revision


def _cpu_model() -> str:
    try:
        names = re.findall(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        names = []
    return names[0] if names else platform.processor()


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        project = _ROOT / "pyproject.toml"
        found = re.search(r'^version = "(.+)"$', project.read_text(), re.MULTILINE) if project.exists() else None
        return found.group(1) if found and name == "graphpool" else None


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", "-C", str(_ROOT), *arguments], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()
