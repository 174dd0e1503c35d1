"""Frames of a morph that are made to look, from a camera, as an artist drew them."""
