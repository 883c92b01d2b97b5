"""Which of the written notebooks `make test` runs: a third, another one every day."""

import datetime
import os

from lab.capsules.written import WRITTEN

THIRDS = 3
DAY = "LAB_TEST_DAY"  # set once, so that all workers collect the same


def set_day() -> None:
    """Fix the day for this process and those that it starts; a day that is given holds."""
    os.environ.setdefault(DAY, str(datetime.date.today().toordinal()))


def of_the_day() -> list[str]:
    """Their names."""
    set_day()
    return [one.name for one in WRITTEN][int(os.environ[DAY]) % THIRDS :: THIRDS]
