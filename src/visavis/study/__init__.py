"""A comparison: plan, run, statistics, verdict."""
