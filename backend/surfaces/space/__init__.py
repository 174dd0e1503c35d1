"""The shape space: many shapes in one network, each at a latent code of its own (IGR's auto-decoder)."""
