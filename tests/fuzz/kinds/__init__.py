"""The kinds of inputs; see :class:`fuzz.Kind`."""
