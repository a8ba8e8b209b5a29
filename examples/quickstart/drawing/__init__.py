"""Draws the documents of the quickstart. Pillow only, its built-in typeface, no file read from the machine."""
