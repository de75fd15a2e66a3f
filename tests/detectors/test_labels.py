"""Label names that tell real from fake."""

import pytest

from rrlib.detectors.labels import columns


@pytest.mark.parametrize(
    "names",
    [("Real", "Fake"), ("AI-generated", "human"), ("Deepfake", "Realism_real"), ("fake_image", "AUTHENTIC"),
     ("original", "manipulated")],
)  # fmt: skip
def test_labels_that_tell_are_understood(names):
    real = [number for number, name in enumerate(names) if name in ("Real", "human", "Realism_real", "AUTHENTIC")]
    real = real or [0]
    assert columns(dict(enumerate(names)), "mine") == (real, [1 - real[0]])
