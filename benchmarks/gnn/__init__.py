"""One graph network with every pooling layer in the same place: data sets, layers, training, statistics."""
