"""``--help`` of every command, and that it comes without loading what only a run needs."""

import subprocess
import sys

import pytest

HEAVY = {"torch", "torchvision", "torch_geometric", "timm", "scipy", "transformers", "matplotlib"}
HELP = """
import runpy, sys
sys.argv = [*sys.argv[1:], "--help"]
try:
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
except SystemExit as end:
    print("status", end.code)
print("loaded", *sorted({name.partition(".")[0] for name in sys.modules}))
"""
EVALUATE = ("instance", "semantic", "panoptic", "all", "hierarchy", "datasets")
COMMANDS = [
    "train",
    "predict",
    "pseudo_masks",
    "view",
    "scenes",
    "evaluate",
    *(f"evaluate {name}" for name in EVALUATE),
]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_loads_no_heavy_library(command: str) -> None:
    arguments = f"segmentation.{command}".split()
    done = subprocess.run([sys.executable, "-c", HELP, *arguments], capture_output=True, text=True, check=True)
    *text, status, loaded = done.stdout.splitlines()
    assert text[0].startswith("Usage: ")
    assert any(line.lstrip().startswith("-h, --help") for line in text)
    assert status == "status 0"
    assert "click" in loaded.split()
    assert not HEAVY & set(loaded.split())
