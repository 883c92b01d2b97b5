"""Annotators: picture in, conditioning map out."""
