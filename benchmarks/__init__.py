"""Measurements beside their budgets: ``python -m benchmarks``; see ``docs/performance.md``."""
