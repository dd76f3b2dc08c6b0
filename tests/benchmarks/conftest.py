"""Benchmarks run as their users run them: the type checker would take most of the time."""

import pytest


@pytest.fixture(autouse=True)
def unchecked(as_users_call_it: None) -> None:
    """Leaves the run-time type checker out."""
