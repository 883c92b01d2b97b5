"""Rules of guidance as lines of a script's loop: the formulas of lab/engine/guidance.py, whose numbers they have.

Of a call they take x_t, alpha-bar `a` and the halves that the rule `needs`, a single one as `prediction`; they leave
`prediction`.
"""

from lab.catalog import GUIDANCE, Model, rules_for

RULES = ("cfg", "rescaled", "interval", "threshold", "apg")  # that are lines here
GUIDES = (
    "classifier",
    "clip",
    "weak",
    "colour",
    "symmetry",
    "brightness",
)  # lab/capsules/guide_script.py, pixel_script.py
X_0_RULES = ("threshold", "apg")  # that work on predicted x_0


def rules(model: Model) -> list[str]:
    """The rules of a model that scripts have."""
    return [name for name, row in rules_for(model).items() if (row.guide in GUIDES if row.guide else name in RULES)]


def needs(rule: str, scale: float) -> tuple[bool, bool]:
    """Whether a run needs the conditional half, and the unconditional one; of a rule with a gradient, its base."""
    if base := GUIDANCE[rule].base:
        return base == "conditional", base == "unconditional"
    conditional = scale != 0 or rule == "interval"  # which is plain conditional at high and low noise levels
    return conditional, scale != 1


def before(rule: str, scale: float) -> str:
    """What a rule remembers from call to call, as it is before the first."""
    return (
        "average = 0.0  # of the differences, with negative momentum" if rule == "apg" and scale not in (0, 1) else ""
    )


def scale_words(rule: str) -> str:
    """What scale 0 and scale 1 of a rule are."""
    row = GUIDANCE[rule]
    return ", ".join(f"{scale}: {words}" for scale, words in ((0, row.zero), (1, row.one)) if words)


def takes_level(rule: str, scale: float) -> bool:
    """Whether the lines ask for alpha-bar."""
    return rule in X_0_RULES or (rule == "interval" and scale != 1) or bool(GUIDANCE[rule].base)


def lines(rule: str, scale: float, conditional: str = "conditional", unconditional: str = "unconditional") -> list[str]:
    """The lines of the loop; the names are those of the halves."""
    if not all(needs(rule, scale)):
        return _THRESHOLD if rule == "threshold" else []
    if rule == "apg":
        return [line.format(conditional=conditional, unconditional=unconditional) for line in _APG]
    guided = f"prediction = {unconditional} + SCALE * ({conditional} - {unconditional})"
    if rule == "interval":
        return [
            f"    prediction = {conditional}",
            "    if 0.28 < ((1 - a) / a) ** 0.5 <= 2.9:  # at middle noise levels only (Kynkäänniemi et al. 2024, equation 5)",
            f"        {guided}",
        ]
    more = {"rescaled": [line.format(conditional=conditional) for line in _RESCALED], "threshold": _THRESHOLD}
    return [f"    {guided}", *more.get(rule, [])]


_RESCALED = [
    "    rescaled = prediction * {conditional}.std() / prediction.std()  # Lin et al. 2023, section 3.4",
    "    prediction = 0.7 * rescaled + 0.3 * prediction",
]
_THRESHOLD = [
    "    guided_x_0 = x_0_of(prediction, x_t, a)",
    "    limit = float(guided_x_0.abs().flatten().quantile(0.995))  # dynamic thresholding (Saharia et al. 2022, section 2.3)",
    "    if limit > 1:",
    "        prediction = prediction_of(guided_x_0.clamp(-limit, limit) / limit, x_t, a)",
]
_APG = [
    "    own, other = x_0_of({conditional}, x_t, a), x_0_of({unconditional}, x_t, a)  # APG (Sadat et al. 2024, algorithm 1)",
    "    average = difference = own - other - 0.5 * average",
    "    difference = difference * min(1.0, 0.12 / max(float(difference.square().mean().sqrt()), 1e-12))",
    "    along = (difference * own).sum() / own.square().sum() * own",
    "    prediction = prediction_of(own + (SCALE - 1) * (difference - along), x_t, a)",
]

LEVEL = '''
levels = ((1 - alpha_bar) / alpha_bar).sqrt()


def level(t):
    """alpha-bar at a timestep; between two of the table sigma = sqrt((1 - a) / a) is linear in t."""
    k = min(int(t), len(levels) - 2)
    return float(1 / (1 + torch.lerp(levels[k], levels[k + 1], float(t) - k) ** 2))


'''
X_0_OF_EPS = '''
def x_0_of(eps, x_t, a):
    """x_0 in x_t = sqrt(a) x_0 + sqrt(1 - a) eps."""
    return (x_t - (1 - a) ** 0.5 * eps) / a**0.5


def prediction_of(x_0, x_t, a):
    """eps there."""
    return (x_t - a**0.5 * x_0) / (1 - a) ** 0.5


'''
X_0_OF_PREDICTION = '''
def x_0_of(prediction, x_t, a):
    """x_0 in x_t = sqrt(a) x_0 + sqrt(1 - a) eps, of a prediction."""
    if predicts == "sample":
        return prediction
    if predicts == "v_prediction":  # sqrt(a) eps - sqrt(1 - a) x_0
        return a**0.5 * x_t - (1 - a) ** 0.5 * prediction
    return (x_t - (1 - a) ** 0.5 * prediction) / a**0.5


def prediction_of(x_0, x_t, a):
    """The prediction that means x_0."""
    eps = (x_t - a**0.5 * x_0) / (1 - a) ** 0.5
    return {"sample": x_0, "v_prediction": a**0.5 * eps - (1 - a) ** 0.5 * x_0, "epsilon": eps}[predicts]


'''
