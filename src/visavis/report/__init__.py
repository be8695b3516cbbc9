"""Draws what a study holds; computes nothing."""
