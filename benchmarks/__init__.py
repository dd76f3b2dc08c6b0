"""Compares speed, memory and quality with other implementations, and records each result with the machine it ran on."""
