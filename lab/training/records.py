"""What a training run leaves to look at: a record per step, log.csv, and sheets of pictures."""

import csv
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

LOG = "log.csv"


@dataclass(frozen=True)
class Record:
    """One training step: `losses` are plain floats, `seconds` counts the training time of all sittings."""

    step: int
    progress: float
    seconds: float
    lr: float
    losses: dict[str, float]


class Log:
    """log.csv: a row every ten steps with the mean of each loss over them; rows after a resumed step are dropped."""

    every = 10

    def __init__(self, path: Path, step: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        old = [row for row in read_log(path) if row["step"] <= step] if path.exists() and step else []
        self.file = path.open("w", newline="")
        self.writer: csv.DictWriter | None = None
        self.waiting: list[Record] = []
        self.smooth = math.nan
        for row in old:
            self.write(row)

    def add(self, record: Record) -> None:
        loss = record.losses["loss"]
        self.smooth = loss if math.isnan(self.smooth) else 0.98 * self.smooth + 0.02 * loss
        self.waiting.append(record)
        if record.step % self.every == 0:
            means = {name: float(np.mean([r.losses[name] for r in self.waiting])) for name in record.losses}
            self.write({"step": record.step, "seconds": record.seconds, "lr": record.lr} | means)
            self.waiting.clear()

    def write(self, row: dict[str, float]) -> None:
        if self.writer is None:
            self.writer = csv.DictWriter(self.file, list(row))
            self.writer.writeheader()
        self.writer.writerow(row)
        self.file.flush()

    def close(self) -> None:
        self.file.close()


def read_log(path: Path) -> list[dict[str, float]]:
    """The rows of a log.csv, oldest first."""
    with path.open(newline="") as file:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]


def tile(pictures: np.ndarray, columns: int) -> np.ndarray:
    """Lay (n, h, w, 3) uint8 pictures out in a grid with a light gap; n is a multiple of `columns`."""
    framed = np.pad(pictures, ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=225)
    n, height, width, _ = framed.shape
    grid = framed.reshape(n // columns, columns, height, width, 3).transpose(0, 2, 1, 3, 4)
    return grid.reshape(n // columns * height, columns * width, 3)
