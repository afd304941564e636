"""Measurements and sheets: not part of what is installed."""
