"""MeshSDF: the shapes of a decoder, whose surfaces can be differentiated by what one sees of them."""
