"""The room of components: what of an embedding its first principal components hold."""
