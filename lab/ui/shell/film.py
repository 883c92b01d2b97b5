"""Films as files: GIF that plays everywhere, MP4 (H.264) for slides."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import imageio_ffmpeg
import numpy as np
from PIL import Image, ImageDraw, ImageFont

LEAST_SIDE = 256  # px of a picture in a film: players smooth what they enlarge
GAP, LINE, TEXT = 8, 30, 18  # px between pictures, of a line of words, of its letters
PAPER, INK = (255, 255, 255), (20, 20, 24)


def frame(pictures: Sequence[np.ndarray], titles: Sequence[str], words: str) -> np.ndarray:
    """One frame of a film: pictures (height, width, 3) uint8 of one size side by side, enlarged crisply to at least 256 px,
    each under its title, and `words` about all of them beneath. Sides are even, as video wants them."""
    times = -(-LEAST_SIDE // pictures[0].shape[0])
    large = [Image.fromarray(picture.repeat(times, 0).repeat(times, 1)) for picture in pictures]
    width, height = large[0].size
    heads = LINE if any(titles) else 0
    across, down = len(large) * (width + GAP) - GAP, heads + height + LINE
    whole = Image.new("RGB", (across + across % 2, down + down % 2), PAPER)
    draw, font = ImageDraw.Draw(whole), ImageFont.load_default(TEXT)
    for i, (picture, title) in enumerate(zip(large, titles, strict=True)):
        left = i * (width + GAP)
        whole.paste(picture, (left, heads))
        draw.text((left + 4, heads / 2), title, INK, font, anchor="lm")
    draw.text((4, heads + height + LINE / 2), words, INK, font, anchor="lm")
    return np.asarray(whole)


def save_gif(frames: Iterable[np.ndarray], path: Path, fps: float) -> Path:
    """Frames (height, width, 3) uint8 as an endless GIF; the last frame stays for a second."""
    images = [Image.fromarray(frame).quantize(128, dither=Image.Dither.NONE) for frame in frames]
    durations = [round(1000 / fps)] * (len(images) - 1) + [1000]
    images[0].save(path, "GIF", save_all=True, append_images=images[1:], duration=durations, loop=0, disposal=1)
    return path


def save_mp4(frames: Iterable[np.ndarray], path: Path, fps: float) -> Path:
    """Frames (height, width, 3) uint8 as H.264 in yuv420p, which every player and slide program opens.

    Small frames are enlarged crisply to at least 512 px: players smooth what they enlarge, and yuv420p halves the resolution
    of colour.
    """
    writer = None
    try:
        for frame in frames:
            times = max(1, -(-512 // frame.shape[0]))
            large = np.ascontiguousarray(frame.repeat(times, 0).repeat(times, 1))
            if writer is None:
                writer = imageio_ffmpeg.write_frames(
                    str(path), large.shape[1::-1], fps=fps, codec="libx264", quality=None, macro_block_size=2,
                    output_params=["-crf", "18", "-preset", "veryfast", "-movflags", "+faststart"],
                )  # fmt: skip
                writer.send(None)
            writer.send(large)
    finally:
        if writer is not None:
            writer.close()
    return path
