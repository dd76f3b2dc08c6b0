"""Labelled data sets, read as they lie on people's disks."""
