"""Annotators whose weights come from the Hugging Face hub, through the package controlnet-aux.

HED soft edges (Xie & Tu 2015, in ControlNet's retrained version) and OpenPose (Cao et al. 2019).
"""

import threading
from collections.abc import Callable
from functools import cache
from typing import Any

import cv2
import numpy as np

from lab.annotators import ANNOTATORS, obstacle
from lab.annotators.picture import rgb
from lab.requests.base import LabError
from lab.settings import Settings

DETECT_SIDE = 512  # pixels of the shorter side that the networks see

_loading = threading.Lock()


def detect(picture: np.ndarray, annotator: str, settings: Settings) -> np.ndarray:
    """The map that an annotator's detector makes of a picture, (height, width, 3) uint8 of the picture's size.

    Raises LabError where the detector cannot be used or fetched.
    """
    if problem := obstacle(annotator, settings):
        raise LabError(problem)
    picture = rgb(picture)
    with _loading:  # one download, however many ask
        detector = _load(annotator)
    lines = detector(picture, detect_resolution=DETECT_SIDE, image_resolution=DETECT_SIDE, output_type="np")
    height, width = picture.shape[:2]
    return cv2.resize(rgb(lines), (width, height), interpolation=cv2.INTER_AREA)


@cache
def _load(name: str) -> Callable[..., Any]:
    """The detector with its weights, which stay loaded. A failed load is not remembered."""
    row = ANNOTATORS[name]
    try:
        import controlnet_aux

        detector: Callable[..., Any] = getattr(controlnet_aux, row.detector).from_pretrained(row.hub)
    except (ImportError, AttributeError) as error:  # it does not import beside some versions of mediapipe
        raise LabError(f"{row.title}: controlnet-aux does not work here ({error}). Use another annotator.") from error
    except OSError as error:  # no network, no such file on the hub
        raise LabError(f"{row.title} could not be fetched from {row.hub}: {error}") from error
    return detector
