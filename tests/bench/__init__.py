"""Benchmarks: what the simulator promises about speed, agreement and its own tests."""
