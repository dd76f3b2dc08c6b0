"""The tests, and the run-time type checker that they put under every public function."""

from beartype import BeartypeConf, beartype

# an int is welcome where a float is asked for
typecheck = beartype(conf=BeartypeConf(is_pep484_tower=True))
