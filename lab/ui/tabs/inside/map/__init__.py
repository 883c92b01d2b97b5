"""The room of the map: two latents as a plane to drag over, in an autoencoder and in a variational one."""
