"""Draws generated scenes with exact ground truth."""
