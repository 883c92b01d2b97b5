"""Chapter: from entropy to the evidence lower bound, and the autoencoders that stand on it."""

from lab.notes.step import SEED, Chapter, Check, Number, Shown, Source, Step

VAE, IWAE, BETA = "Kingma & Welling 2013", "Burda, Grosse & Salakhutdinov 2015", "Higgins et al. 2017"
GAIN, SPREAD = 1.5, 0.8  # of the model of these checks: x = GAIN z + SPREAD eps
X = Number("x", "x", 1.2, -3, 3)
MEAN, STD = Number("m", "m", 0.4, -2, 2), Number("s", "s", 0.7, 0.4, 2)

CHAPTER = Chapter(
    "elbo",
    "Entropy, the bound, autoencoders",
    "How many bits a value costs, what a wrong assumption adds to them, and why a model with hidden causes is trained by a bound. All later chapters use this one.",
    (
        Step(
            "entropy",
            "Entropy: the length of the best code",
            (
                r"Suppose values are sent as bits. The best code gives a value of probability $p$ a length of $-\log_2 p$ bits: what is rare gets a long code word, what is common a short one. Entropy is the mean length. "
                r"With the natural logarithm, as everywhere below, its unit is the nat; one nat is $1/\log 2$, about 1.44 bits.",
                r"A single value of a density has no probability. Cut the line into bins of width $\delta$: a bin has the probability $p(x)\,\delta$, and its code the length $-\log p(x) - \log\delta$. The entropy of a density is the mean of the first part. "
                r"It can be negative, since the second part has been left out.",
                r"For a normal density with mean $m$ and variance $s^2$ the logarithm is a parabola, and the mean of $(x-m)^2$ is $s^2$. So the entropy depends on the width alone.",
            ),
            (
                r"H(p) = -\mathbb{E}_p[\log p(x)]",
                r"= \tfrac12\log(2\pi s^2) + \frac{\mathbb{E}[(x-m)^2]}{2 s^2} = \tfrac12\log(2\pi e\, s^2)",
            ),
            Check(
                r"$-\int p \log_2 p\,\mathrm{d}x$ of $\mathcal{N}(0, s^2)$, by quadrature",
                r"$\tfrac12 \log_2 (2\pi e\, s^2)$, by the lab's function for bits",
                "elbo.entropy",
                (Number("s", "s", 0.7, 0.05, 20),),
            ),
            (Source("Shannon 1948", "on the entropy of a continuous distribution"),),
            ("lab/engine/variational.py:bits_per_dimension",),
            (Shown("ledger", "The bill of an apple"),),
        ),
        Step(
            "divergence",
            "Kullback–Leibler: what the wrong code adds",
            (
                r"Values come from $q$, but the code was made for $p$. The mean length is then $-\mathbb{E}_q[\log p(x)]$, where the best code would have needed $-\mathbb{E}_q[\log q(x)]$. The difference is the Kullback–Leibler divergence. It is not symmetric: $q$ draws, $p$ is assumed.",
                r"For $q = \mathcal{N}(m_q, s_q^2)$ and $p = \mathcal{N}(m_p, s_p^2)$ put in both logarithms. Then $\mathbb{E}_q[(x-m_q)^2] = s_q^2$, and $\mathbb{E}_q[(x-m_p)^2] = s_q^2 + (m_q-m_p)^2$, since the mean of $x-m_q$ is 0.",
            ),
            (
                r"D_{\mathrm{KL}}(q \,\|\, p) = \mathbb{E}_q[\log q(x) - \log p(x)]",
                r"= \log\frac{s_p}{s_q} - \tfrac12 + \frac{s_q^2 + (m_q - m_p)^2}{2 s_p^2}",
            ),
            Check(
                r"$\int q\,(\log q - \log p)\,\mathrm{d}x$ of $q = \mathcal{N}(m, s^2)$ and $p = \mathcal{N}(0, 1)$, by quadrature",
                "the lab's closed form",
                "elbo.divergence",
                (MEAN, STD),
            ),
            (Source("Kullback & Leibler 1951", "its definition of information"), Source(VAE, "appendix B")),
            ("lab/engine/likelihood.py:gaussian_kl", "lab/engine/variational.py:kl_to_prior"),
            (Shown("ledger", "The last steps cost most"),),
        ),
        Step(
            "jensen",
            "Jensen's inequality: the wrong code is never shorter",
            (
                r"The logarithm lies below its tangent at 1: $\log u \le u - 1$, and both are equal at $u = 1$ alone. For a positive random number $y$ put $u = y/\mathbb{E}[y]$ and take the expectation: "
                r"$\mathbb{E}[\log y] - \log\mathbb{E}[y] \le 1 - 1 = 0$. This is Jensen's inequality for the logarithm. Both sides are equal only if $y$ does not vary.",
                r"Now let $x$ be drawn from a density $p$ that is nowhere 0, and $y = q(x)/p(x)$. Then $\mathbb{E}_p[y] = \int p\,\frac{q}{p}\,\mathrm{d}x = \int q\,\mathrm{d}x = 1$. So a divergence is never negative, and it is 0 only if both densities are the same.",
            ),
            (
                r"\mathbb{E}[\log y] \le \log \mathbb{E}[y]",
                r"-D_{\mathrm{KL}}(p \,\|\, q) = \mathbb{E}_p\Big[\log\frac{q(x)}{p(x)}\Big] \le \log \int q(x)\,\mathrm{d}x = 0",
            ),
            Check(
                r"$\mathbb{E}_p[\log (q/p)]$ of the two humps $p$ and $q = \mathcal{N}(m, s^2)$, by quadrature",
                r"$\log \int q\,\mathrm{d}x$",
                "elbo.jensen",
                (MEAN, Number("s", "s", 1.2, 0.4, 2)),
            ),
            (Source("Kullback & Leibler 1951", "that information is never below 0"),),
            ("lab/engine/variational.py:importance_bounds",),
        ),
        Step(
            "bound",
            "The evidence and its lower bound",
            (
                r"A model says that $x$ has a hidden cause: first a code $z$ is drawn from $p(z)$, then $x$ from $p(x \mid z)$. The probability of $x$, its evidence, is $p(x) = \int p(x \mid z)\,p(z)\,\mathrm{d}z$. If $p(x \mid z)$ is a network, nobody can compute this integral.",
                r"Take any density $q(z)$ that is nowhere 0. From $p(x) = p(x, z)/p(z \mid x)$ follows $\log p(x) = \log\frac{p(x, z)}{q(z)} + \log\frac{q(z)}{p(z \mid x)}$ for every $z$. The left side does not depend on $z$, so it stays as it is when the expectation over $q$ is taken.",
                r"The last term is then a divergence, which is never negative. So the first is a lower bound on $\log p(x)$: the evidence lower bound, ELBO. The gap says how far $q$ is from the true posterior $p(z \mid x)$. "
                r"The checks use the model $x = 1.5\,z + 0.8\,\epsilon$ with $z \sim \mathcal{N}(0, 1)$, whose evidence and posterior are known.",
            ),
            (
                r"\log p(x) = \mathbb{E}_q\Big[\log\frac{p(x, z)}{q(z)}\Big] + \mathbb{E}_q\Big[\log\frac{q(z)}{p(z \mid x)}\Big]",
                r"= \mathrm{ELBO} + D_{\mathrm{KL}}(q(z) \,\|\, p(z \mid x)) \ge \mathrm{ELBO}",
            ),
            Check(
                r"ELBO of $q = \mathcal{N}(m, s^2)$, by draws, plus its divergence from the posterior",
                r"$\log p(x)$",
                "elbo.identity",
                (X, MEAN, STD, SEED),
            ),
            (Source(VAE, "eq. 1 and 2"),),
            ("lab/engine/variational.py:log_weights",),
            (Shown("inside", "A bound and its gap"),),
        ),
        Step(
            "vae",
            "Two terms: the variational autoencoder",
            (
                r"Split $p(x, z) = p(x \mid z)\,p(z)$ in the bound. One term says how well codes drawn from $q$ explain $x$, the reconstruction. The other is the divergence of $q$ from the prior $p(z)$: what the code costs, in nats.",
                r"The variational autoencoder has two networks. The encoder reads $x$ and gives the mean $m$ and the standard deviation $s$ of $q(z \mid x)$; the decoder reads $z$ and gives $p(x \mid z)$. Both are trained to make the sum large. "
                r"With $p(z) = \mathcal{N}(0, 1)$ the divergence is the formula above with $m_p = 0$ and $s_p = 1$.",
            ),
            (
                r"\mathrm{ELBO} = \mathbb{E}_{q(z \mid x)}[\log p(x \mid z)] - D_{\mathrm{KL}}(q(z \mid x) \,\|\, p(z))",
                r"D_{\mathrm{KL}}(\mathcal{N}(m, s^2) \,\|\, \mathcal{N}(0, 1)) = \tfrac12(m^2 + s^2 - 1) - \log s",
            ),
            Check(
                r"$\mathbb{E}_q[\log p(x, z) - \log q(z)]$, by draws",
                "reconstruction by the same draws, minus the divergence in closed form",
                "elbo.two_terms",
                (X, MEAN, STD, SEED),
            ),
            (Source(VAE, "eq. 3 and 10"),),
            ("lab/engine/variational.py:reconstruction", "lab/engine/variational.py:kl_to_prior"),
            (Shown("inside", "A bound and its gap"),),
        ),
        Step(
            "reparameterisation",
            "A gradient through a random draw",
            (
                r"To train the encoder we need the slope of $\mathbb{E}_q[f(z)]$ by $m$ and by $s$, but both belong to the density from which $z$ is drawn. So draw $\epsilon \sim \mathcal{N}(0,1)$ instead and set $z = m + s\,\epsilon$. "
                r"Now the density is fixed, and for a smooth $f$ the slope of the mean is the mean of the slope, by the chain rule.",
                r"The check takes $f = \sin$, for which the answer is known: $\mathbb{E}[\sin(m + s\,\epsilon)] = e^{-s^2/2}\sin m$. By Euler's formula this is the imaginary part of $\mathbb{E}[e^{\text{i}(m + s\epsilon)}] = e^{\text{i} m}\,e^{-s^2/2}$.",
            ),
            (
                r"\frac{\partial}{\partial s}\,\mathbb{E}[f(m + s\,\epsilon)] = \mathbb{E}[\epsilon\, f'(m + s\,\epsilon)]",
                r"\frac{\partial}{\partial m}\,\mathbb{E}[f(m + s\,\epsilon)] = \mathbb{E}[f'(m + s\,\epsilon)]",
            ),
            Check(
                r"$\mathbb{E}[\epsilon \cos(m + s\,\epsilon)]$, by draws",
                r"the slope of $e^{-s^2/2}\sin m$ by $s$",
                "elbo.reparameterisation",
                (MEAN, STD, SEED),
            ),
            (Source(VAE, "section 2.4"),),
            ("lab/models/bottleneck.py:Posterior.sample",),
        ),
        Step(
            "autoencoder",
            "The plain autoencoder",
            (
                r"Let the decoder's density be $p(x \mid z) = \mathcal{N}(D(z), s_x^2 I)$ with a network $D$ and a fixed variance $s_x^2$. Then the reconstruction term is a squared error. "
                r"Leave out the divergence and give each $x$ a single code $E(x)$: that is the plain autoencoder. Nothing says where its codes lie, so one cannot draw from it.",
                r"In the simplest case both networks are linear, the data have mean 0, and the code is the one number $u^\top x$: how far $x$ reaches in the direction $u$, a vector of length 1. The decoder returns $u\,u^\top x$, and the error is $\mathbb{E}\|x\|^2 - u^\top S u$, "
                r"where $S = \mathbb{E}[x\,x^\top]$ is the covariance. It is least if $u$ points along the axis in which the data vary most.",
                r"What is lost is then the sum of all eigenvalues of $S$ but the largest. The check has two values of variance 1 and correlation $\rho$; the eigenvalues are $1 \pm \rho$, and $\lambda_2$ is the smaller one.",
            ),
            (
                r"-\log p(x \mid z) = \frac{\|x - D(z)\|^2}{2 s_x^2} + \mathrm{const}",
                r"\min_{\|u\| = 1}\ \mathbb{E}\,\|x - u\,u^\top x\|^2 = \lambda_2 = 1 - |\rho|",
            ),
            Check(
                "mean squared error in the best direction, by draws",
                r"$1 - |\rho|$",
                "elbo.autoencoder",
                (Number("correlation", r"\rho", 0.8, -0.99, 0.99), SEED),
            ),
            (Source("Hinton & Salakhutdinov 2006", "its first page"), Source("Baldi & Hornik 1989", "its main result")),
            ("lab/models/bottleneck.py:Bottleneck",),
            (Shown("inside", "Why latents pay"),),
        ),
        Step(
            "beta",
            "A costlier code: the beta-VAE",
            (
                r"Multiply the divergence by a number $\beta$. Take the model $x = a z + s_x\,\epsilon$ and $q = \mathcal{N}(m, v)$. The expected squared error is $(x - a m)^2 + a^2 v$, so the part of the objective with $v$ is "
                r"$-\frac{a^2 v}{2 s_x^2} - \frac{\beta}{2}(v - \log v)$. Its slope is 0 where $\frac{\beta}{v} = \frac{a^2}{s_x^2} + \beta$. The part with $m$ is $-\frac{(x - a m)^2}{2 s_x^2} - \frac{\beta}{2} m^2$, and its slope is 0 at the $m$ below.",
                r"A higher $\beta$ makes the code less precise. If the decoder hardly uses a latent, $a \to 0$, then $v \to 1$ and $m \to 0$: the code is a draw from the prior, says nothing of $x$ and costs nothing. Such a latent is called dead.",
            ),
            (
                r"\mathbb{E}_q[\log p(x \mid z)] - \beta\, D_{\mathrm{KL}}(q(z \mid x) \,\|\, p(z))",
                r"v = \frac{\beta s_x^2}{a^2 + \beta s_x^2}, \quad m = \frac{a\,x}{a^2 + \beta s_x^2}",
            ),
            Check(
                r"the $v$ of the largest objective, found by trying 120,001 of them",
                r"$\beta s_x^2 / (a^2 + \beta s_x^2)$ with $a = 1.5$ and $s_x = 0.8$",
                "elbo.best_code",
                (Number("beta", r"\beta", 4, 0.1, 50),),
            ),
            (Source(BETA, "its objective"), Source("Burgess et al. 2018", "on the information bottleneck")),
            ("lab/engine/variational.py:kl_to_prior",),
            (Shown("inside", "Latents die"),),
        ),
        Step(
            "weighted",
            "Several draws: a tighter bound",
            (
                r"Draw $K$ codes $z_1, \dots, z_K$ from $q$ and call $p(x, z_k)/q(z_k)$ the weight of the $k$-th. Each weight has the expectation $\int q(z)\,\frac{p(x, z)}{q(z)}\,\mathrm{d}z = p(x)$, and so has the mean of all $K$. "
                r"By Jensen's inequality the expected logarithm of this mean, $\mathcal{L}_K$, is at most $\log p(x)$. For $K=1$ it is the ELBO.",
                r"The more draws, the less their mean varies, and the closer the bound comes to $\log p(x)$.",
            ),
            (
                r"\mathbb{E}\Big[\tfrac1K \sum_{k=1}^K \frac{p(x, z_k)}{q(z_k)}\Big] = p(x)",
                r"\mathcal{L}_K = \mathbb{E}\Big[\log \tfrac1K \sum_{k=1}^K \frac{p(x, z_k)}{q(z_k)}\Big] \le \log p(x)",
            ),
            Check(
                r"mean of the mean of $K$ weights, by draws",
                r"$p(x)$",
                "elbo.weighted",
                (X, MEAN, STD, Number("k", "K", 8, 1, 64, whole=True), SEED),
            ),
            (Source(IWAE, "eq. 8 and theorem 1"),),
            ("lab/engine/variational.py:importance_bounds",),
            (Shown("inside", "A bound and its gap"),),
        ),
    ),
)
