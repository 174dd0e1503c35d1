"""Metrics, reports and pictures of finished morphs."""
