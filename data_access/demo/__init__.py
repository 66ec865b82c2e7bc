"""Demo data: an invented hotline at true scale, deterministic by seed.

``docs/demo-data.md`` says what is real, what is invented, how it is calibrated and what is planted.
"""

from data_access.demo.generation import DEFAULT_CUTOFF, DEFAULT_SEED, generate

__all__ = ["DEFAULT_CUTOFF", "DEFAULT_SEED", "generate"]
