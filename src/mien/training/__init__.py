"""Training: recipes (``recipe``), a run from data to model folder (``run``), the loop (``fit``), ``export``."""
