"""Implicit dense correspondence (Liu and Liu, NeurIPS 2020): learned on a folder of shapes whose parts may differ."""
