"""Benchmarks: figures as ratios against a named baseline, measured in the same run on the same servers."""
