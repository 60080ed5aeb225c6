"""Whole scenes: a picture as such, or the persons in it within what is around them."""
