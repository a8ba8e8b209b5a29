"""Eight agents share the work of one backend's queue: counted at the endpoint, not timed."""

import pytest

from bench import scale


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_eight_agents_ask_at_once() -> None:
    """Timed claims are measured by `python -m bench scale`."""
    scaled = scale.run(8, 8 * 24)
    assert scaled.most_at_once <= 8 * scale.CONCURRENCY
    assert scaled.most_at_once >= 5 * scale.CONCURRENCY
