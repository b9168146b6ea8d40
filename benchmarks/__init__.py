"""Benchmarks of streamdl beside its rivals: a folder per scenario, a small file per competitor."""
