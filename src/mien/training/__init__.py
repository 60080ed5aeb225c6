"""Training: recipes (``recipe``), the loop (``fit``), the linear baseline (``linear``), export with proof (``export``)."""
