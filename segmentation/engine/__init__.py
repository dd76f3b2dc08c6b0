"""Running things: stages and their cost, progress, files of a run."""
