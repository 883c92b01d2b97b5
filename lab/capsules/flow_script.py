"""What a script of a flow-matching sampler has in place of a scheduler of the model's own process.

The state is the straight flow's; the model sees it at the timestep of equal signal-to-noise ratio, as in
lab/engine/samplers.py.
"""

_HEUN = "FlowMatchHeunDiscreteScheduler"
_EQUAL = """
sigmas = ((1 - alpha_bar) / alpha_bar).sqrt()


def equal(u):
    \"\"\"The timestep where signal and noise stand as at time u of the flow, alpha-bar there, and the flow's norm.\"\"\"
    sigma = (u.double() / (1 - u.double())).clamp(sigmas[0], sigmas[-1])
    k = int(torch.searchsorted(sigmas, sigma).clamp(1, len(sigmas) - 1))
    t = k - 1 + (sigma - sigmas[k - 1]) / (sigmas[k] - sigmas[k - 1])
    return t.float(), 1 / (1 + sigma**2), ((1 - u) ** 2 + u**2) ** 0.5


"""


def scheduler(name: str) -> str:
    """The scheduler named `name`, from u = 1 to 0 in equal parts, and how its times are found among the model's timesteps."""
    lines = [f"scheduler = {name}()"]
    if name == _HEUN:
        lines += [
            "scheduler.set_timesteps(STEPS)",
            "u = torch.tensor([1 - i / STEPS for i in range(STEPS)])  # in equal parts; each but the first is called at twice",
            "scheduler.sigmas = torch.cat([u[:1], u[1:].repeat_interleave(2), torch.zeros(1)])",
            "scheduler.timesteps = 1000 * scheduler.sigmas[:-1]",
        ]
    else:
        lines += ["scheduler.set_timesteps(sigmas=[1 - i / STEPS for i in range(STEPS)])  # in equal parts"]
    return "\n".join(lines) + "\n" + _EQUAL


LOOP = ("for i, u in enumerate(scheduler.sigmas[:-1]):", "    t, a, norm = equal(u)")
OF_EPS = ("    x_0 = (x / norm - (1 - a).sqrt() * prediction) / a.sqrt()",)
BY_TYPE = (
    "    x_0 = prediction",
    '    if predicts == "epsilon":',
    "        x_0 = (x / norm - (1 - a).sqrt() * prediction) / a.sqrt()",
    '    if predicts == "v_prediction":',
    "        x_0 = a.sqrt() * x / norm - (1 - a).sqrt() * prediction",
)
STEP = "    x = scheduler.step((x - x_0) / u, scheduler.timesteps[i], x).prev_sample  # (x - x_0) / u is the velocity"
