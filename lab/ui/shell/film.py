"""Films of a run as files: GIF that plays everywhere, MP4 (H.264) for slides."""

from collections.abc import Iterable
from pathlib import Path

import imageio_ffmpeg
import numpy as np
from PIL import Image


def save_gif(frames: Iterable[np.ndarray], path: Path, fps: float) -> Path:
    """Frames (height, width, 3) uint8 as an endless GIF; the last frame stays for a second."""
    images = [Image.fromarray(frame).quantize(128, dither=Image.Dither.NONE) for frame in frames]
    durations = [round(1000 / fps)] * (len(images) - 1) + [1000]
    images[0].save(path, "GIF", save_all=True, append_images=images[1:], duration=durations, loop=0, disposal=1)
    return path


def save_mp4(frames: Iterable[np.ndarray], path: Path, fps: float) -> Path:
    """Frames (height, width, 3) uint8 as H.264 in yuv420p, which every player and slide program opens.

    Small pictures are enlarged crisply to at least 512 px: players smooth what they enlarge, and yuv420p halves
    the resolution of colour.
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
