"""Tests of this folder import what they share from files beside them."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
