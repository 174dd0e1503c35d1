"""What the frames of a morph become in Blender, one file a way."""
