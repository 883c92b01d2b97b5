"""The works that the notes stand on: the papers of the lab, what came before, between and after them, and what each took from which; and
what others wrote to explain them."""

import re
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


def slug(key: str) -> str:
    """A work's key as addresses have it."""
    return re.sub(r"\W+", "-", key)


@dataclass(frozen=True)
class Reading:
    """Somebody else's text, and what it is good for."""

    author: str
    title: str
    link: str
    good_for: str


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
         "A diffusion that runs backwards is again a diffusion, and its drift contains the score."),
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
         "A generator trained against a critic: for years the standard that diffusion models had to meet."),
    Work("Rezende & Mohamed", 2015, "Variational Inference with Normalizing Flows", _arxiv("1505.05770"),
         "Densities made by invertible steps, each with its determinant."),
    Work("Ronneberger, Fischer & Brox", 2015, "U-Net: Convolutional Networks for Biomedical Image Segmentation", _arxiv("1505.04597"),
         "A network that makes a picture smaller, then large again, with bridges between equal sizes: the shape of most denoisers."),
    Work("Vaswani et al.", 2017, "Attention Is All You Need", _arxiv("1706.03762"),
         "Attention alone: queries look up keys and take a mean of values."),
    Work("Chen et al.", 2018, "Neural Ordinary Differential Equations", _arxiv("1806.07366"),
         "A network as a velocity, and the change of density along its flow."),
    Work("Radford et al.", 2021, "Learning Transferable Visual Models From Natural Language Supervision", _arxiv("2103.00020"),
         "CLIP: pictures and captions embedded together."),
    Work("Bao et al.", 2022, "Analytic-DPM: an Analytic Estimate of the Optimal Reverse Variance in Diffusion Probabilistic Models", _arxiv("2201.06503"),
         "The best variance of a reverse step follows from the score."),
    Work("Salimans & Ho", 2022, "Progressive Distillation for Fast Sampling of Diffusion Models", _arxiv("2202.00512"),
         "Predict v, and train a student to take two steps at once, again and again."),
    Work("Saharia et al.", 2022, "Photorealistic Text-to-Image Diffusion Models with Deep Language Understanding", _arxiv("2205.11487"),
         "Imagen: a large language model reads the prompt, a cascade of pixel models draws."),
    Work("Lu et al.", 2022, "DPM-Solver: A Fast ODE Solver for Diffusion Probabilistic Model Sampling in Around 10 Steps", _arxiv("2206.00927"),
         "Solve the linear part of the flow exactly, and the rest to high order in log-SNR."),
    Work("Albergo & Vanden-Eijnden", 2022, "Building Normalizing Flows with Stochastic Interpolants", _arxiv("2209.15571"),
         "Any path between two distributions has a velocity that is a mean and can be learned by least squares."),
    Work("Peebles & Xie", 2022, "Scalable Diffusion Models with Transformers", _arxiv("2212.09748"),
         "A transformer in place of the U-Net."),
    Work("Song et al.", 2023, "Consistency Models", _arxiv("2303.01469"),
         "Learn the end of the flow from each of its points: a picture in one call."),
    Work("Podell et al.", 2023, "SDXL: Improving Latent Diffusion Models for High-Resolution Image Synthesis", _arxiv("2307.01952"),
         "A larger latent diffusion model, which is also given the size and crop of its training pictures."),
    Work("Sauer et al.", 2023, "Adversarial Diffusion Distillation", _arxiv("2311.17042"),
         "A student for one to four steps, trained by its teacher and by a critic."),
    Work("Karras et al.", 2023, "Analyzing and Improving the Training Dynamics of Diffusion Models", _arxiv("2312.02696"),
         "A network whose activations and weights keep their size, and averages of weights chosen afterwards."),
    Work("Esser et al.", 2024, "Scaling Rectified Flow Transformers for High-Resolution Image Synthesis", _arxiv("2403.03206"),
         "Stable Diffusion 3: a straight flow, and one transformer for words and picture."),
    Work("Kynkäänniemi et al.", 2024, "Applying Guidance in a Limited Interval Improves Sample and Distribution Quality in Diffusion Models", _arxiv("2404.07724"),
         "Guidance helps at middle noise levels, and harms at the others."),
    Work("Sadat et al.", 2024, "Eliminating Oversaturation and Artifacts of High Guidance Scales in Diffusion Models", _arxiv("2410.02416"),
         "Leave out the part of guidance that lies along the prediction."),
)
# fmt: on

_OF_THE_LAB = [Work(row.authors, row.year, row.title, row.link, row.idea, row.tries) for row in PAPERS]
WORKS = {work.key: work for work in sorted([*_OF_THE_LAB, *OTHERS], key=lambda work: work.year)}

# What each work took from earlier ones, by their keys.
# fmt: off
TOOK: dict[str, dict[str, str]] = {
    "Kullback & Leibler 1951": {"Shannon 1948": "information as a measure"},
    "Hinton & Salakhutdinov 2006": {"Baldi & Hornik 1989": "the linear autoencoder, made deep"},
    "Vincent 2011": {"Hyvärinen 2005": "the loss of a score"},
    "Kingma & Welling 2013": {"Hinton & Salakhutdinov 2006": "encoder and decoder", "Kullback & Leibler 1951": "the divergence, as the cost of a code"},
    "Sohl-Dickstein et al. 2015": {"Kingma & Welling 2013": "a bound that is trained by gradients"},
    "Burda, Grosse & Salakhutdinov 2015": {"Kingma & Welling 2013": "the bound, now with several draws"},
    "Rezende & Mohamed 2015": {"Kingma & Welling 2013": "the bound, with richer posteriors"},
    "Higgins et al. 2017": {"Kingma & Welling 2013": "the bound, with a weight that can be set"},
    "Burgess et al. 2018": {"Higgins et al. 2017": "the weighted divergence, given a target"},
    "Locatello et al. 2018": {"Higgins et al. 2017": "a claim, put to the test"},
    "Song & Ermon 2019": {"Vincent 2011": "the score from denoising", "Hyvärinen 2005": "scores instead of densities"},
    "Ho, Jain & Abbeel 2020": {"Sohl-Dickstein et al. 2015": "the chain and its bound", "Song & Ermon 2019": "noise prediction is score matching at many levels",
                               "Ronneberger, Fischer & Brox 2015": "the U-Net", "Vaswani et al. 2017": "attention, and how the network is given t"},
    "Song, Meng & Ermon 2020": {"Ho, Jain & Abbeel 2020": "the loss and the trained models"},
    "Song et al. 2020": {"Song & Ermon 2019": "the variance-exploding process", "Ho, Jain & Abbeel 2020": "the variance-preserving one", "Anderson 1982": "the way back",
                         "Chen et al. 2018": "likelihood along a flow"},
    "Nichol & Dhariwal 2021": {"Ho, Jain & Abbeel 2020": "everything but the schedule and the variance"},
    "Dhariwal & Nichol 2021": {"Nichol & Dhariwal 2021": "the learned variance", "Sohl-Dickstein et al. 2015": "a classifier by Bayes' rule", "Goodfellow et al. 2014": "the rival"},
    "Kingma et al. 2021": {"Ho, Jain & Abbeel 2020": "the bound", "Song et al. 2020": "continuous time"},
    "Ho et al. 2021": {"Nichol & Dhariwal 2021": "the model of each stage"},
    "Meng et al. 2021": {"Song et al. 2020": "the reverse equation, begun half-way"},
    "Rombach et al. 2021": {"Ho, Jain & Abbeel 2020": "the loss", "Kingma & Welling 2013": "the autoencoder", "Vaswani et al. 2017": "attention to words"},
    "Radford et al. 2021": {"Vaswani et al. 2017": "the transformer"},
    "Nichol et al. 2021": {"Dhariwal & Nichol 2021": "the network and guidance", "Radford et al. 2021": "CLIP as a guide"},
    "Bao et al. 2022": {"Nichol & Dhariwal 2021": "the question of the variance", "Song, Meng & Ermon 2020": "the family of chains"},
    "Lugmayr et al. 2022": {"Ho, Jain & Abbeel 2020": "the step back, and its inverse"},
    "Salimans & Ho 2022": {"Song, Meng & Ermon 2020": "the walk that the student shortens", "Kingma et al. 2021": "weights by signal-to-noise ratio"},
    "Ramesh et al. 2022": {"Radford et al. 2021": "the embedding of pictures and words", "Nichol et al. 2021": "the decoder", "Ho et al. 2021": "the stages that enlarge"},
    "Saharia et al. 2022": {"Ho et al. 2021": "the cascade", "Ho & Salimans 2022": "guidance, at large scales"},
    "Avrahami, Fried & Lischinski 2022": {"Rombach et al. 2021": "the latent space"},
    "Karras et al. 2022": {"Song et al. 2020": "the flow, in simpler terms", "Song, Meng & Ermon 2020": "the straight path"},
    "Lu et al. 2022": {"Song et al. 2020": "the probability flow"},
    "Ho & Salimans 2022": {"Dhariwal & Nichol 2021": "guidance, without the classifier"},
    "Hertz et al. 2022": {"Vaswani et al. 2017": "the maps of attention", "Saharia et al. 2022": "the model whose maps they are"},
    "Chung et al. 2022": {"Song et al. 2020": "the score of a posterior", "Efron 2011": "the guess that the measurement is taken of"},
    "Liu, Gong & Liu 2022": {"Song et al. 2020": "the flow between noise and data", "Chen et al. 2018": "a network as a velocity"},
    "Albergo & Vanden-Eijnden 2022": {"Chen et al. 2018": "a network as a velocity", "Song et al. 2020": "learning by regression on noisy data"},
    "Lipman et al. 2022": {"Chen et al. 2018": "a network as a velocity", "Vincent 2011": "regression on what is known for a single picture"},
    "Tang et al. 2022": {"Rombach et al. 2021": "the model", "Vaswani et al. 2017": "the maps of attention"},
    "Mokady et al. 2022": {"Song, Meng & Ermon 2020": "inversion", "Hertz et al. 2022": "the edit", "Ho & Salimans 2022": "the guidance that breaks it"},
    "Peebles & Xie 2022": {"Rombach et al. 2021": "the latents", "Vaswani et al. 2017": "the transformer"},
    "Bar-Tal et al. 2023": {"Rombach et al. 2021": "the model"},
    "Bansal et al. 2023": {"Dhariwal & Nichol 2021": "guidance by a gradient", "Song, Meng & Ermon 2020": "the predicted picture"},
    "Zhang, Rao & Agrawala 2023": {"Rombach et al. 2021": "the model that stays untouched", "Ronneberger, Fischer & Brox 2015": "the encoder that is copied"},
    "Song et al. 2023": {"Song et al. 2020": "the flow", "Karras et al. 2022": "its noise levels and solver"},
    "Lin et al. 2023": {"Rombach et al. 2021": "the schedule that leaks", "Salimans & Ho 2022": "v, which can be predicted from pure noise"},
    "Podell et al. 2023": {"Rombach et al. 2021": "latent diffusion"},
    "Luo et al. 2023": {"Song et al. 2023": "consistency", "Rombach et al. 2021": "the teacher", "Ho & Salimans 2022": "guidance, folded into the student"},
    "Kadkhodaie et al. 2023": {"Efron 2011": "denoisers as scores", "Ho, Jain & Abbeel 2020": "what is explained"},
    "Geng, Park & Owens 2023": {"Bar-Tal et al. 2023": "one picture from several predictions", "Saharia et al. 2022": "a model of pixels"},
    "Sauer et al. 2023": {"Goodfellow et al. 2014": "the critic", "Podell et al. 2023": "the teacher"},
    "Karras et al. 2023": {"Karras et al. 2022": "training and sampling", "Dhariwal & Nichol 2021": "the network"},
    "Esser et al. 2024": {"Liu, Gong & Liu 2022": "straight lines", "Lipman et al. 2022": "the loss", "Peebles & Xie 2022": "the transformer"},
    "Kynkäänniemi et al. 2024": {"Ho & Salimans 2022": "guidance, on part of the way"},
    "Geng, Park & Owens 2024": {"Geng, Park & Owens 2023": "two pictures in one"},
    "Karras et al. 2024": {"Ho & Salimans 2022": "two predictions and a scale", "Karras et al. 2023": "the networks"},
    "Sadat et al. 2024": {"Ho & Salimans 2022": "the difference, projected"},
    "Kamb & Ganguli 2024": {"Kadkhodaie et al. 2023": "the question", "Song et al. 2020": "the exact score"},
}

READING = (
    Reading("Lilian Weng", "From Autoencoder to Beta-VAE", "https://lilianweng.github.io/posts/2018-08-12-vae/",
            "The family of autoencoders on one page, each with its loss and a drawing of its network."),
    Reading("Lilian Weng", "What are Diffusion Models?", "https://lilianweng.github.io/posts/2021-07-11-diffusion-models/",
            "The best survey to keep open beside the papers: from the forward process to latent models, with most of the algebra."),
    Reading("Xitong Yang", "Understanding the Variational Lower Bound", "https://xyang35.github.io/2017/04/14/variational-lower-bound/",
            "The bound derived twice, by Jensen and by the divergence, and what each way shows."),
    Reading("Yunfan Jiang", "ELBO — What & Why", "https://yunfanj.com/blog/2021/01/11/ELBO.html",
            "Why a bound is needed at all: the integral that cannot be computed."),
    Reading("Paul Rubenstein", "Deriving the variational lower bound", "http://paulrubenstein.co.uk/deriving-the-variational-lower-bound/",
            "The shortest derivation of the bound, with no step left out."),
    Reading("Yang Song", "Generative Modeling by Estimating Gradients of the Data Distribution", "https://yang-song.net/blog/2021/score/",
            "The same models seen as scores, by one of those who found it, with pictures of fields that move."),
    Reading("Calvin Luo", "Understanding Diffusion Models: A Unified Perspective", "https://arxiv.org/abs/2208.11970",
            "Every derivation of the bound written out, for those who want each line."),
    Reading("Stanley Chan", "Tutorial on Diffusion Models for Imaging and Vision", "https://arxiv.org/abs/2403.18103",
            "Lecture notes, with small one-dimensional examples like those here."),
    Reading("Sander Dieleman", "Perspectives on diffusion", "https://sander.ai/2023/07/20/perspectives.html",
            "Eight ways to see one thing, once the equations are known."),
    Reading("Lipman et al.", "Flow Matching Guide and Code", "https://arxiv.org/abs/2412.06264",
            "Flow matching from the ground up, by its authors."),
)
# fmt: on
