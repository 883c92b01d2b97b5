"""Request type -> generator of events: the only place that joins models and engine. One module a kind of request."""

from collections.abc import Callable, Iterator
from typing import Any

from lab.operations.anatomy import anatomy
from lab.operations.annotate import annotate
from lab.operations.attention import attention
from lab.operations.betas import betas
from lab.operations.edit import edit
from lab.operations.elbo import elbo
from lab.operations.enlarge import enlarge
from lab.operations.factor import factor
from lab.operations.fidelity import fidelity
from lab.operations.house import House
from lab.operations.invention import invention
from lab.operations.inversion import inversion
from lab.operations.latent_map import latent_map
from lab.operations.latents import latents
from lab.operations.ledger import bills, ledger, likelihood, opened_step
from lab.operations.nearest import nearest
from lab.operations.noising import noising
from lab.operations.sampling import sampling
from lab.operations.share import share
from lab.operations.sources import source
from lab.operations.unclip import unclip
from lab.requests.anatomy import AnatomyRequest
from lab.requests.annotate import AnnotateRequest
from lab.requests.attention import AttentionRequest
from lab.requests.base import Event
from lab.requests.betas import BetaRequest
from lab.requests.bound import BoundRequest
from lab.requests.edit import EditRequest
from lab.requests.enlarge import EnlargeRequest
from lab.requests.factor import FactorRequest
from lab.requests.fidelity import FidelityRequest
from lab.requests.invention import InventionRequest
from lab.requests.inversion import InversionRequest
from lab.requests.latent_map import MapRequest
from lab.requests.latents import LatentRequest
from lab.requests.ledger import BillsRequest, LedgerRequest, LikelihoodRequest, SourceRequest, StepRequest
from lab.requests.nearest import NearestRequest
from lab.requests.noising import NoisingRequest
from lab.requests.sampling import SamplingRequest
from lab.requests.share import ShareRequest
from lab.requests.unclip import UnclipRequest

OPERATIONS: dict[type, Callable[[Any, House], Iterator[Event]]] = {
    SamplingRequest: sampling,
    InversionRequest: inversion,
    EditRequest: edit,
    NoisingRequest: noising,
    AnatomyRequest: anatomy,
    AnnotateRequest: annotate,
    AttentionRequest: attention,
    NearestRequest: nearest,
    FidelityRequest: fidelity,
    ShareRequest: share,
    LedgerRequest: ledger,
    StepRequest: opened_step,
    BillsRequest: bills,
    LikelihoodRequest: likelihood,
    SourceRequest: source,
    InventionRequest: invention,
    EnlargeRequest: enlarge,
    LatentRequest: latents,
    BoundRequest: elbo,
    FactorRequest: factor,
    BetaRequest: betas,
    MapRequest: latent_map,
    UnclipRequest: unclip,
}
