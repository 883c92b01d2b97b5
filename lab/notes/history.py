"""The works that the notes stand on: the papers of the lab, what came before, between and after them, and what each took from which."""

from dataclasses import dataclass

from lab.papers import PAPERS, Try


@dataclass(frozen=True)
class Work:
    """A paper. Its key is its authors and its year; the year is that of the preprint where there is one."""

    authors: str
    year: int
    title: str
    link: str
    idea: str
    tries: tuple[Try, ...] = ()

    @property
    def key(self) -> str:
        return f"{self.authors} {self.year}"


def _arxiv(number: str) -> str:
    return f"https://arxiv.org/abs/{number}"


def _doi(name: str) -> str:
    return f"https://doi.org/{name}"


# fmt: off
OTHERS = (
    Work("Shannon", 1948, "A Mathematical Theory of Communication", _doi("10.1002/j.1538-7305.1948.tb01338.x"),
         "Information has a measure: the length of the shortest code."),
    Work("Kullback & Leibler", 1951, "On Information and Sufficiency", _doi("10.1214/aoms/1177729694"),
         "How far one distribution is from another, as information lost."),
    Work("Anderson", 1982, "Reverse-time diffusion equation models", _doi("10.1016/0304-4149(82)90051-5"),
         "A diffusion run backwards is a diffusion, whose drift knows the score."),
    Work("Baldi & Hornik", 1989, "Neural networks and principal component analysis", _doi("10.1016/0893-6080(89)90014-2"),
         "The best linear autoencoder is principal component analysis."),
    Work("Hyvärinen", 2005, "Estimation of Non-Normalized Statistical Models by Score Matching", "https://www.jmlr.org/papers/v6/hyvarinen05a.html",
         "A score can be learned without the density's constant."),
    Work("Hinton & Salakhutdinov", 2006, "Reducing the Dimensionality of Data with Neural Networks", _doi("10.1126/science.1127647"),
         "Deep autoencoders find better codes than linear ones."),
    Work("Vincent", 2011, "A Connection Between Score Matching and Denoising Autoencoders", _doi("10.1162/NECO_a_00142"),
         "To learn the score of noisy data is to learn to take the noise away."),
    Work("Efron", 2011, "Tweedie's Formula and Selection Bias", _doi("10.1198/jasa.2011.tm11181"),
         "The best guess of what was there before normal noise is a step along the score."),
    Work("Goodfellow et al.", 2014, "Generative Adversarial Networks", _arxiv("1406.2661"),
         "A generator against a critic: for years what diffusion models were measured by."),
    Work("Rezende & Mohamed", 2015, "Variational Inference with Normalizing Flows", _arxiv("1505.05770"),
         "Densities made by invertible steps, each with its determinant."),
    Work("Ronneberger, Fischer & Brox", 2015, "U-Net: Convolutional Networks for Biomedical Image Segmentation", _arxiv("1505.04597"),
         "Down, up, and bridges between: the shape of the denoiser's network."),
    Work("Vaswani et al.", 2017, "Attention Is All You Need", _arxiv("1706.03762"),
         "Attention alone: queries look up keys and take a mean of values."),
    Work("Chen et al.", 2018, "Neural Ordinary Differential Equations", _arxiv("1806.07366"),
         "A network as a velocity, and the change of density along its flow."),
    Work("Radford et al.", 2021, "Learning Transferable Visual Models From Natural Language Supervision", _arxiv("2103.00020"),
         "CLIP: pictures and captions embedded together."),
    Work("Bao et al.", 2022, "Analytic-DPM: an Analytic Estimate of the Optimal Reverse Variance in Diffusion Probabilistic Models", _arxiv("2201.06503"),
         "The best variance of a reverse step follows from the score."),
    Work("Salimans & Ho", 2022, "Progressive Distillation for Fast Sampling of Diffusion Models", _arxiv("2202.00512"),
         "Predict v; and teach a student to take two steps at once, again and again."),
    Work("Saharia et al.", 2022, "Photorealistic Text-to-Image Diffusion Models with Deep Language Understanding", _arxiv("2205.11487"),
         "Imagen: a large language model reads, a cascade of pixels draws."),
    Work("Lu et al.", 2022, "DPM-Solver: A Fast ODE Solver for Diffusion Probabilistic Model Sampling in Around 10 Steps", _arxiv("2206.00927"),
         "Solve the linear part of the flow exactly, and the rest to high order in log-SNR."),
    Work("Albergo & Vanden-Eijnden", 2022, "Building Normalizing Flows with Stochastic Interpolants", _arxiv("2209.15571"),
         "Any path between two distributions has a velocity that is a mean and can be learned by least squares."),
    Work("Peebles & Xie", 2022, "Scalable Diffusion Models with Transformers", _arxiv("2212.09748"),
         "A transformer in place of the U-Net."),
    Work("Song et al.", 2023, "Consistency Models", _arxiv("2303.01469"),
         "Learn the end of the flow from each of its points: a picture in one call."),
    Work("Podell et al.", 2023, "SDXL: Improving Latent Diffusion Models for High-Resolution Image Synthesis", _arxiv("2307.01952"),
         "Latent diffusion, larger, told the size and crop of its pictures."),
    Work("Sauer et al.", 2023, "Adversarial Diffusion Distillation", _arxiv("2311.17042"),
         "A student for one to four steps, trained by its teacher and by a critic."),
    Work("Karras et al.", 2023, "Analyzing and Improving the Training Dynamics of Diffusion Models", _arxiv("2312.02696"),
         "A network whose activations and weights keep their size, and averages of weights chosen afterwards."),
    Work("Esser et al.", 2024, "Scaling Rectified Flow Transformers for High-Resolution Image Synthesis", _arxiv("2403.03206"),
         "Stable Diffusion 3: a straight flow, a transformer for words and picture together."),
    Work("Kynkäänniemi et al.", 2024, "Applying Guidance in a Limited Interval Improves Sample and Distribution Quality in Diffusion Models", _arxiv("2404.07724"),
         "Guidance helps at middle noise levels, and harms at the others."),
    Work("Sadat et al.", 2024, "Eliminating Oversaturation and Artifacts of High Guidance Scales in Diffusion Models", _arxiv("2410.02416"),
         "Leave out the part of guidance that lies along the prediction."),
)
# fmt: on

_OF_THE_LAB = [Work(row.authors, row.year, row.title, row.link, row.idea, row.tries) for row in PAPERS]
WORKS = {work.key: work for work in sorted([*_OF_THE_LAB, *OTHERS], key=lambda work: work.year)}
