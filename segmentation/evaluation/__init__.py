"""What the commands of ``segmentation.evaluate`` share: options, predictions of a model, tables."""
