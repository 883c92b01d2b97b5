"""One notation for all chapters: what each symbol means, and where the lab's code has it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Symbol:
    """A symbol in the forms in which it stands in equations, LaTeX, the first one in the table; and its place in the code, "path:name"."""

    forms: tuple[str, ...]
    meaning: str
    place: str = ""


# What has one meaning everywhere. A letter that has several, as s, is explained by the text of each step that uses it.
# fmt: off
SYMBOLS = (
    Symbol((r"x_0",), "A picture of the data, values in [−1, 1]; in most checks a single value.", "lab/engine/noising.py:to_tensor"),
    Symbol((r"x_t", r"x_{t-1}", r"x_s", r"x_T", r"x_1"), "The picture at a noise level: signal times x₀ plus noise times ε, with signal √ᾱ and noise √(1 − ᾱ).", "lab/engine/noising.py:q_sample"),
    Symbol((r"x_{0:T}", r"x_{1:T}"), "All pictures of a chain, from the first index to the last."),
    Symbol((r"x",), "A picture or a value; in a density the place at which it is taken."),
    Symbol((r"t", r"T"), "The timestep, from 0 (the picture) to T (noise); in continuous time from 0 to 1.", "lab/engine/noising.py:alpha_bar"),
    Symbol((r"\epsilon", r"\epsilon'", r"\epsilon''"), "Standard normal noise, drawn for each value by itself; with a mark, drawn anew.", "lab/engine/noising.py:gaussian"),
    Symbol((r"\beta_t", r"\beta_s"), "Variance of the noise that step t adds.", "lab/engine/process.py:betas_of"),
    Symbol((r"\alpha_t",), "1 − βₜ, the share of the variance that step t keeps.", "lab/engine/noising.py:MarkovChain"),
    Symbol((r"\bar\alpha_t", r"\bar\alpha_{t-1}", r"\bar\alpha_s", r"\bar\alpha_T", r"\bar\alpha_1", r"\bar\alpha"), "The product of all α up to t: the share of the variance that is picture.", "lab/engine/noising.py:alpha_bar"),
    Symbol((r"\sigma",), "Noise over signal, √(1 − ᾱ)/√ᾱ.", "lab/engine/process.py:Level.sigma"),
    Symbol((r"\sigma_t", r"\sigma_1"), "Standard deviation of the noise that a step back from t adds.", "lab/engine/samplers.py:DDIM"),
    Symbol((r"\mathrm{SNR}",), "Signal-to-noise ratio, signal² over noise²; its logarithm puts every schedule on one scale.", "lab/engine/process.py:Level.log_snr"),
    Symbol((r"\bar x", r"\bar x_t", r"\bar x_s"), "x divided by the factor of its picture: the picture plus σ times noise."),
    Symbol((r"\tilde\mu_t",), "Mean of the step back when x₀ is known.", "lab/engine/likelihood.py:Posterior.mean"),
    Symbol((r"\tilde\beta_t",), "Variance of the step back when x₀ is known, the smaller of two fixed choices.", "lab/engine/likelihood.py:Posterior.log_variance"),
    Symbol((r"\mu_\theta",), "Mean of the learned step back.", "lab/engine/likelihood.py:bound_nats"),
    Symbol((r"\Sigma_\theta",), "Variance of the learned step back.", "lab/engine/likelihood.py:Posterior.learned_log_variance"),
    Symbol((r"\epsilon_\theta", r"\hat\epsilon"), "The network's guess of the noise in x_t; with a hat any guess of it, also the guided one.", "lab/engine/predictions.py:split_prediction"),
    Symbol((r"\hat x_0",), "A guess of the picture in x_t.", "lab/engine/predictions.py:split_prediction"),
    Symbol((r"\nabla",), "The gradient, by x unless said otherwise. Of log q(x_t) it is the score, which points to where data are denser.", "lab/engine/mixture.py:Mixture.score"),
    Symbol((r"\eta",), "DDIM's dial between no new noise, 0, and DDPM's, 1; in training the size of a step.", "lab/engine/samplers.py:DDIM"),
    Symbol((r"u_t",), "The mean velocity of all paths through a place.", "lab/engine/mixture.py:Mixture.velocity"),
    Symbol((r"q",), "A density that is known or chosen: the forward process and what follows from it; of an autoencoder the encoder's.", "lab/engine/noising.py:MarkovChain"),
    Symbol((r"q_t", r"q_0", r"q_T"), "The density of x at time t.", "lab/engine/mixture.py:Mixture.at"),
    Symbol((r"p",), "A density, or the chance of something that can be counted; beside q that of the model."),
    Symbol((r"p_\theta",), "The learned process, which walks back.", "lab/engine/likelihood.py:bound_term"),
    Symbol((r"\theta",), "The weights of a network, which training changes."),
    Symbol((r"z",), "A code, from which x is drawn; in a pair of a flow the noise.", "lab/engine/variational.py:log_weights"),
    Symbol((r"y",), "What is known of a picture: a class, or words; in the first chapter any second variable."),
    Symbol((r"m", r"m_q", r"m_p"), "A mean."),
    Symbol((r"m_i",), "Mean of the i-th hump.", "lab/engine/mixture.py:Mixture"),
    Symbol((r"x_i",), "The i-th picture of a finite set, or the i-th value of a picture.", "lab/engine/mixture.py:Mixture"),
    Symbol((r"w_i",), "Share of the i-th hump, or of the i-th picture.", "lab/engine/mixture.py:Mixture"),
    Symbol((r"L",), "The bound on −log p, which training makes small."),
    Symbol((r"L_T", r"L_{t-1}", r"L_0", r"L_t"), "Terms of the bound: of the end, of a step, of the last step to pixels.", "lab/engine/likelihood.py:bound_term"),
    Symbol((r"L_{\mathrm{simple}}", r"L_{\mathrm{hybrid}}"), "The simple loss, and the simple loss with a small share of the bound."),
    Symbol((r"\mathrm{ELBO}",), "The evidence lower bound: what log p(x) is at least.", "lab/engine/variational.py:log_weights"),
    Symbol((r"H",), "The entropy of a density, in nats."),
    Symbol((r"D_{\mathrm{KL}}",), "The Kullback–Leibler divergence: nats lost by coding draws of the first with the second.", "lab/engine/likelihood.py:gaussian_kl"),
    Symbol((r"\mathcal{N}",), "The normal density with a mean and a variance; before a semicolon the place at which it is taken."),
    Symbol((r"\mathbb{E}", r"\mathbb{E}_q", r"\mathbb{E}_p", r"\mathbb{E}_{q(z \mid x)}", r"\mathbb{E}_{t, x_0, \epsilon}"), "The expectation: the mean over what is drawn; beneath it, from what."),
    Symbol((r"\mathrm{Var}",), "The variance: the expected square of the distance from the mean.", "lab/engine/mixture.py:Mixture.covariance"),
    Symbol((r"I",), "The identity matrix: each value has noise of its own."),
    Symbol((r"C",), "A number that does not depend on what is learned."),
    Symbol((r"\mathrm{const}",), "A number that does not depend on the variable in question."),
    Symbol((r"O",), "The order of what is left out: no more than a fixed multiple of what follows."),
    Symbol((r"\mathrm{softmax}", r"\mathrm{softmax}_i"), "Exponentials of numbers, divided by their sum: shares that add up to 1."),
    Symbol((r"i",), "An index, which counts values, humps or pictures."),
    Symbol((r"\propto",), "Equal up to a factor that does not depend on the variable in question."),
    Symbol((r"\sim",), "Is drawn from."),
    Symbol((r"\mid",), "Given: what stands behind it is known."),
)
# fmt: on
