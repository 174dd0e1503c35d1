"""What the Blender add-on and the compute backend share: meshes, messages, and the wire between them."""
