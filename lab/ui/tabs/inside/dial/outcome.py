"""What has come of a run of the dial."""

from dataclasses import dataclass, field

from lab.requests.base import Event, LabError
from lab.requests.betas import BetaColumn, BetaMeasures, BetaRequest, BetaSet
from lab.requests.bound import BETAS


@dataclass
class Outcome:
    """The pictures that all columns share, and by beta the columns and the measures that are there."""

    request: BetaRequest
    shared: BetaSet | None = None
    columns: dict[float, BetaColumn] = field(default_factory=dict)
    measures: dict[float, BetaMeasures] = field(default_factory=dict)

    def add(self, event: Event) -> None:
        """Take the pictures, a column or measures."""
        if isinstance(event, BetaSet):
            self.shared = event
        elif isinstance(event, BetaColumn):
            self.columns[event.beta] = event
        elif isinstance(event, BetaMeasures):
            self.measures[event.beta] = event

    @property
    def begun(self) -> bool:
        """Whether there are pictures to show."""
        return self.shared is not None

    def ways(self) -> list[tuple[int, int]]:
        """How many networks are measured, of all."""
        return [(len(self.measures), len(BETAS))]

    @property
    def pictures(self) -> BetaSet:
        """The pictures of a run that has begun."""
        if self.shared is None:
            raise LabError("There is no picture yet: press Run first.")
        return self.shared

    @property
    def listed(self) -> list[BetaColumn]:
        """The columns in the order of beta."""
        return [self.columns[beta] for beta in sorted(self.columns)]

    @property
    def measured(self) -> list[BetaMeasures]:
        """The measures in the order of beta."""
        return [self.measures[beta] for beta in sorted(self.measures)]

    @property
    def own(self) -> bool:
        """Whether the first picture is a visitor's."""
        return self.request.picture is not None
