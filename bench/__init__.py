"""The speed claims, measured: `python -m bench` (see README.md here)."""
