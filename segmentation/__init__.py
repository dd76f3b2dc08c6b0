"""Label-free image segmentation on top of :mod:`graphpool`."""
