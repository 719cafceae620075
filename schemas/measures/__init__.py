"""Figures that can be merged: histograms of durations, sketches of users."""
