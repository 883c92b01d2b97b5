"""Numbers shown beside pictures. Pictures are (height, width, 3) uint8 RGB. Plain numpy: the page uses it too."""

from collections.abc import Sequence

import cv2
import numpy as np

CLIP_TOLERANCE = 8.0  # of 255 grey levels; a decoder's white paper lies some beyond white
LEAST_ERROR = 0.25e-3  # mean squared, in grey levels: half a level in one value of a thousand


def picture_measures(picture: np.ndarray) -> dict[str, float]:
    """What too much guidance does to a picture (height, width, 3) uint8; all in [0, 1].

    saturation: mean of (max - min) / max over the channels (HSV). contrast: standard deviation of the luma, 0.5 at most.
    """
    hsv = cv2.cvtColor(picture, cv2.COLOR_RGB2HSV)
    return {
        "saturation": float(hsv[..., 1].mean() / 255),
        "contrast": float(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).std() / 255),
    }


def clipped_share(values: np.ndarray) -> float:
    """Share of the pixels that lose something when values (3, height, width) are clipped to [-1, 1]: those with a channel
    more than CLIP_TOLERANCE of 255 grey levels beyond. White paper and black ink are colours, and not clipped."""
    beyond = (np.abs(values).max(axis=0) - 1) * 127.5
    return float((beyond > CLIP_TOLERANCE).mean())


def diversity(pictures: Sequence[np.ndarray]) -> float:
    """How far pictures of one prompt and scale lie apart: mean RMS over their pairs, values in [0, 1]; 0 for one."""
    flat = np.stack([picture.reshape(-1).astype(np.float32) / 255 for picture in pictures])
    pairs = [(i, j) for i in range(len(flat)) for j in range(i)]
    return float(np.mean([np.sqrt(np.square(flat[i] - flat[j]).mean()) for i, j in pairs])) if pairs else 0.0


def unlikeness(vectors: np.ndarray) -> float:
    """How unlike each other pictures are to a network: the mean of 1 - cosine over all pairs of their embeddings (n, width); 0 for one."""
    n = len(vectors)
    if n < 2:
        return 0.0
    directions = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    cosines = directions @ directions.T
    return float(1 - (cosines.sum() - np.trace(cosines)) / (n * (n - 1)))


EDGE_THRESHOLDS = 80, 160  # Canny's, for the edges of a finished picture
MIN_CONTRAST = 40.0  # grey levels by which a figure differs from its background


def edges_of(picture: np.ndarray) -> np.ndarray:
    """The edges found again in a picture (height, width, 3) uint8: (height, width) bool."""
    return cv2.Canny(picture, *EDGE_THRESHOLDS) > 0


def near(lines: np.ndarray, tolerance_px: int = 2) -> np.ndarray:
    """Where a pixel of `lines` (height, width) bool is at most `tolerance_px` away: (height, width) bool."""
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * tolerance_px + 1,) * 2)
    return cv2.dilate(lines.astype(np.uint8), kernel) > 0


def edge_f1(edges: np.ndarray, reference: np.ndarray, tolerance_px: int = 2) -> float:
    """Harmonic mean of precision and recall of edge pixels, each right where the other has one within the tolerance."""
    edges, reference = np.asarray(edges) > 0, np.asarray(reference) > 0
    if not edges.any() or not reference.any():
        return float(edges.any() == reference.any())
    precision = near(reference, tolerance_px)[edges].mean()
    recall = near(edges, tolerance_px)[reference].mean()
    return float(2 * precision * recall / max(precision + recall, 1e-9))


def foreground(picture: np.ndarray, contrast: float = MIN_CONTRAST) -> np.ndarray:
    """Where a picture differs from its background, the median colour of its border; (height, width) bool."""
    border = np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])
    return np.abs(picture.astype(float) - np.median(border, axis=0)).max(axis=2) > contrast


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    """Intersection over union of two masks."""
    return float((a & b).sum() / max((a | b).sum(), 1))


def seam(picture: np.ndarray, hole: np.ndarray) -> float | None:
    """How much the rim of a filled hole stands out: squared steps of grey level from pixels of `hole` (height, width) bool to
    neighbours beyond it, their mean over that of steps within the hole (the gradient energy there; at least one grey level
    squared, so that a plain hole has a number). 1 where the rim is like all else. None where there are no such neighbours: the hole
    is empty, everything, or without two pixels side by side."""
    rim, within = list[np.ndarray](), list[np.ndarray]()
    for values, inside in ((picture.astype(float), hole), (picture.astype(float).swapaxes(0, 1), hole.T)):
        steps = np.square(np.diff(values, axis=0)).mean(axis=2)
        rim.append(steps[inside[1:] != inside[:-1]])
        within.append(steps[inside[1:] & inside[:-1]])
    across, inner = np.concatenate(rim), np.concatenate(within)
    return float(across.mean() / max(inner.mean(), 1.0)) if across.size and inner.size else None


def psnr(picture: np.ndarray, original: np.ndarray) -> float:
    """Peak signal-to-noise ratio in dB: 10 log10(255^2 / mean squared error). Equal pictures have that of an error of half a grey
    level in one value of a thousand, 84 dB, for the logarithm is infinite there."""
    error = np.square(picture.astype(float) - original).mean()
    return float(10 * np.log10(255**2 / max(error, LEAST_ERROR)))


def ssim(picture: np.ndarray, original: np.ndarray) -> float:
    """Structural similarity (Wang et al. 2004): windows of 11 x 11 weighted by a Gaussian of deviation 1.5, K1 = 0.01 and K2 = 0.03;
    the mean over windows and channels, at most 1. Sides are 11 pixels at least."""
    from skimage.metrics import structural_similarity  # only here: it is slow to import

    return float(
        structural_similarity(
            original,
            picture,
            data_range=255,
            channel_axis=2,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        )
    )


def gradient_energy(picture: np.ndarray) -> float:
    """Mean squared step of grey level from a pixel to its neighbours to the right and below: what a picture has of detail. 0 for
    one pixel."""
    values = picture.astype(float)
    steps = np.concatenate([np.square(np.diff(values, axis=axis)).ravel() for axis in (0, 1)])
    return float(steps.mean()) if steps.size else 0.0


def detail(picture: np.ndarray, reference: np.ndarray) -> float:
    """The gradient energy of a picture as a share of another's, which counts as one grey level squared at least."""
    return gradient_energy(picture) / max(gradient_energy(reference), 1.0)


def consistency(picture: np.ndarray, small: np.ndarray) -> float:
    """RMS in grey levels between a small picture and a larger one averaged down to it, whose sides are whole multiples."""
    height, width = small.shape[:2]
    means = picture.astype(float).reshape(height, len(picture) // height, width, -1, 3).mean(axis=(1, 3))
    return float(np.sqrt(np.square(means - small).mean()))


def rms(picture: np.ndarray, reference: np.ndarray) -> float:
    """Root mean square difference of two pictures of one size, in grey levels."""
    return float(np.sqrt(np.square(picture.astype(float) - reference).mean()))


def block_means(picture: np.ndarray, side: int) -> np.ndarray:
    """A square picture averaged down to (side, side, 3) float, whose side divides its own."""
    factor = len(picture) // side
    return picture.astype(float).reshape(side, factor, side, factor, -1).mean(axis=(1, 3))


def coarse_correlation(picture: np.ndarray, reference: np.ndarray, side: int = 8) -> float:
    """How alike two square pictures are from afar, -1 to 1: the correlation of their means over `side` by `side` blocks, each colour less its
    own mean. 0 where one of them is flat."""
    one, other = (block_means(each, side).reshape(side * side, -1) for each in (picture, reference))
    one, other = one - one.mean(axis=0), other - other.mean(axis=0)
    size = float(np.sqrt(np.square(one).sum() * np.square(other).sum()))
    return float((one * other).sum()) / size if size > 1e-9 else 0.0
