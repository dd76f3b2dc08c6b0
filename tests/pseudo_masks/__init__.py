"""The command that makes pseudo-masks."""
