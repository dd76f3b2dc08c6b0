"""Runs over many photos that can be interrupted and resumed."""
