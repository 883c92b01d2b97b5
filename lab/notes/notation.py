"""One notation for all chapters: what each symbol means, and where the lab's code has it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Symbol:
    """A symbol in the forms in which it stands in equations, LaTeX, the first one in the table; and its place in the code, "path:name"."""

    forms: tuple[str, ...]
    meaning: str
    place: str = ""


# fmt: off
SYMBOLS = (
    Symbol((r"x_0",), "A picture of the data, values in [−1, 1].", "lab/engine/noising.py:to_tensor"),
    Symbol((r"x_t", r"x_{t-1}", r"x_s", r"x_T"), "The picture at a noise level: signal times x₀ plus noise times ε.", "lab/engine/noising.py:q_sample"),
    Symbol((r"t", r"T"), "The timestep, from 0 (the picture) to T (noise); in continuous time from 0 to 1.", "lab/engine/noising.py:alpha_bar"),
    Symbol((r"\epsilon", r"\epsilon'", r"\epsilon''"), "Standard normal noise, drawn for each value by itself.", "lab/engine/noising.py:gaussian"),
    Symbol((r"\beta_t", r"\beta_s"), "Variance of the noise that step t adds.", "lab/engine/process.py:betas_of"),
    Symbol((r"\alpha_t",), "1 − βₜ, the share of the variance that step t keeps.", "lab/engine/noising.py:MarkovChain"),
    Symbol((r"\bar\alpha_t", r"\bar\alpha_{t-1}", r"\bar\alpha_s", r"\bar\alpha_T", r"\bar\alpha"), "The product of all α up to t: the share of the variance that is picture.", "lab/engine/noising.py:alpha_bar"),
    Symbol((r"\sigma", r"\sigma_s"), "Noise over signal, √(1 − ᾱ)/√ᾱ.", "lab/engine/process.py:Level.sigma"),
    Symbol((r"\mathrm{SNR}",), "Signal-to-noise ratio, signal² over noise²; its logarithm places every schedule on one scale.", "lab/engine/process.py:Level.log_snr"),
    Symbol((r"\bar x", r"\bar x_t", r"\bar x_s"), "x over the signal's factor: the picture plus σ times noise."),
    Symbol((r"\tilde\mu_t",), "Mean of the step back when x₀ is known.", "lab/engine/likelihood.py:Posterior.mean"),
    Symbol((r"\tilde\beta_t",), "Variance of the step back when x₀ is known, the smaller of two fixed choices.", "lab/engine/likelihood.py:Posterior.log_variance"),
    Symbol((r"\mu_\theta",), "Mean of the learned step back.", "lab/engine/likelihood.py:bound_nats"),
    Symbol((r"\Sigma_\theta",), "Variance of the learned step back.", "lab/engine/likelihood.py:Posterior.learned_log_variance"),
    Symbol((r"\epsilon_\theta", r"\hat\epsilon"), "The noise that a network sees in x_t, and the same with guidance.", "lab/engine/predictions.py:split_prediction"),
    Symbol((r"\hat x_0",), "The picture that a network sees in x_t.", "lab/engine/predictions.py:split_prediction"),
    Symbol((r"\nabla",), "The gradient by x. Of log q(x_t) it is the score, which points to where more data are.", "lab/engine/mixture.py:Mixture.score"),
    Symbol((r"\eta",), "DDIM's dial between no new noise, 0, and DDPM's, 1; in training the size of a step.", "lab/engine/samplers.py:DDIM"),
    Symbol((r"u_t",), "The mean velocity of all paths through a place.", "lab/engine/mixture.py:Mixture.velocity"),
    Symbol((r"q",), "A distribution that is known or chosen: the forward process and what follows from it; of an autoencoder the encoder's.", "lab/engine/noising.py:MarkovChain"),
    Symbol((r"p_\theta",), "The learned process, which walks back.", "lab/engine/likelihood.py:bound_term"),
    Symbol((r"z",), "A code, from which x is drawn; in a pair of a flow the noise.", "lab/engine/variational.py:log_weights"),
    Symbol((r"L_T", r"L_{t-1}", r"L_0", r"L_t"), "Terms of the bound: of the end, of a step, of the last step to pixels.", "lab/engine/likelihood.py:bound_term"),
    Symbol((r"D_{\mathrm{KL}}",), "The Kullback–Leibler divergence: nats lost by coding draws of the first with the second.", "lab/engine/likelihood.py:gaussian_kl"),
    Symbol((r"\mathcal{N}",), "The normal distribution with a mean and a variance."),
    Symbol((r"\mathbb{E}", r"\mathbb{E}_q", r"\mathbb{E}_p"), "The expectation: a mean over what is drawn."),
    Symbol((r"p_i", r"x_i"), "Place of the i-th hump, or the i-th picture of a finite set.", "lab/engine/mixture.py:Mixture"),
    Symbol((r"w_i",), "Share of the i-th hump, or of the i-th picture.", "lab/engine/mixture.py:Mixture"),
)
# fmt: on
