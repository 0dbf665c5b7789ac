# SPDX-License-Identifier: MIT
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import importing  # noqa: E402 (after the path)


@pytest.fixture
def place():
    """A folder with programs, for texts that name them."""
    its = importing.Place()
    yield its
    its.remove()
