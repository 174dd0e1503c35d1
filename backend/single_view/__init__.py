"""A shape from one image of it: an encoder trained with a decoder, and its result refined by the silhouette."""
