"""The room of Stable Diffusion's latents."""
