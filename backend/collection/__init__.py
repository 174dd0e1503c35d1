"""Shapes that the project makes itself: the parts they have, and where each point of them belongs, are known."""
