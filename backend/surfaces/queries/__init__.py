"""What can be asked of a fitted field: its levels as surfaces, curves and points, its skeleton, rays."""
