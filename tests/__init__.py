"""The tests, and the run-time type checker that they put under every public function."""

import pytest
from beartype import BeartypeConf, beartype

pytest.register_assert_rewrite("tests.graphpool.checks", "tests.oracles")

# an int is welcome where a float is asked for
typecheck = beartype(conf=BeartypeConf(is_pep484_tower=True))
