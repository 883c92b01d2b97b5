"""The training picture nearest to a picture."""

from collections.abc import Iterator
from functools import partial

from lab.catalog import MODELS
from lab.operations.house import House
from lab.operations.loading import loading
from lab.requests.base import Event, LabError
from lab.requests.nearest import Nearest, NearestRequest

GREY_LEVELS = 255 / 2  # of a unit of x_0, whose values lie in [-1, 1]


def nearest(request: NearestRequest, house: House) -> Iterator[Event]:
    """One Nearest a picture, in their order. Raises LabError where the lab has no pictures of what the model was trained on."""
    row = MODELS[request.model]
    missing = f"The lab does not have the pictures that '{row.title}' was trained on."
    if not row.data:
        raise LabError(missing)
    yield from loading(house, row.data)
    with house.lease(row.data) as pictures:
        for index, picture in enumerate(request.pictures):
            found = house.compute(partial(pictures.nearest, pictures.from_picture(picture)))
            if found is None:
                raise LabError(missing)
            yield Nearest(index, found[0], found[1], found[2] * GREY_LEVELS)
