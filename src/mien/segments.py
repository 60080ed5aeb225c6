"""Arrays over time: smoothing, and the stretches in which a label stands."""
