"""Compilation of what users call: without the tests' run-time type checker, hence in a process of its own."""

import subprocess
import sys
from pathlib import Path


def test_compiled_operators() -> None:
    here = Path(__file__).parent
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-o",
        "addopts=",
        "-p",
        "no:cacheprovider",
        here / "compile_cases.py",
    ]
    run = subprocess.run(command, cwd=here.parents[1], capture_output=True, text=True, timeout=600)
    assert run.returncode == 0, run.stdout[-8000:] + run.stderr[-2000:]
