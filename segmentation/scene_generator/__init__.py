"""Generates scenes of textured shapes with exact ground truth."""
