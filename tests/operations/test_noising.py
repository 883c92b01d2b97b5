"""What a model recovers of a noised picture."""

import numpy as np
import pytest
import torch

from lab.models.exact import ExactData, ExactDenoiser
from lab.operations.noising import noising
from lab.requests.base import LabError
from lab.requests.fields import Forward
from lab.requests.noising import NoisingRequest
from tests.operations.toys import SHAPE, Toy, make_house


def test_what_is_recovered_supposes_that_the_picture_is_known():
    """A picture that is not in the set comes back from a little noise, and another one of the set does not."""
    data = torch.rand(50, *SHAPE, generator=torch.Generator().manual_seed(1)) * 2 - 1
    mine = np.full((8, 8, 3), 200, np.uint8)

    class Known(Toy):
        def __init__(self):
            super().__init__()
            self.data = ExactData(data)
            table = torch.cumprod(1 - torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64), 0)
            self.network = ExactDenoiser(self.data, table)

        def knowing(self, x_0):
            return self.data.knowing(x_0)

    house, _ = make_house(exact=Known())
    for t in (0, 1, 300):
        (frame,) = noising(NoisingRequest(picture=mine, t=t, recover="exact", chain=False), house)
        assert np.abs(frame.recovered.astype(int) - 200).max() <= 1
    (noise,) = noising(NoisingRequest(picture=mine, t=1000, recover="exact", chain=False), house)
    assert np.abs(noise.recovered.astype(int) - 200).mean() > 20  # of pure noise not even its own picture is known


@pytest.mark.parametrize(
    "forward", [Forward(), Forward(schedule="scaled_linear", T=2000), Forward(schedule="scaled_linear", zero_snr=True)]
)
def test_a_trained_model_recovers_only_from_the_process_it_knows(forward):
    """Its table has a thousand timesteps: t = 2000 is not in it."""
    house, records = make_house(**{"text-to-image": Toy()})
    noise = NoisingRequest(
        picture=np.zeros((8, 8, 3), np.uint8), t=forward.T, forward=forward, recover="text-to-image", chain=False
    )
    with pytest.raises(LabError, match="was not made for this forward process"):
        list(noising(noise, house))
    assert records == []
    valid = noise.model_copy(update={"forward": Forward(schedule="scaled_linear"), "t": 1000})
    (frame,) = noising(valid, house)
    assert frame.recovered.shape == (8, 8, 3)
