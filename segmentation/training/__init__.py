"""Runs the training: steps, batches, checkpoints, processes, log."""
