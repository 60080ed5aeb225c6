"""Rows of numbers, such as action units of a face measured by another program: read, align, recognize."""
