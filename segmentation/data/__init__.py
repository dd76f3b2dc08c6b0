"""Finds and decodes photos, and makes the views that a model learns from."""
