"""One file a family of losses; each formula names its paper and equation."""
