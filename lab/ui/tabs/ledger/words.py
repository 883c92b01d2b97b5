"""What the Ledger tab says."""

ABOUT = r"""
**What it is.** A sender has a picture $x_0$, a receiver has a diffusion model. The receiver begins with pure noise and draws, step by
step, what the model expects; in each step the sender corrects it. What the corrections cost in bits is the **variational
bound** (Sohl-Dickstein et al. 2015; Ho et al. 2020, equation 5):

$$-\log p(x_0) \;\le\; \underbrace{D_{\mathrm{KL}}(q(x_T \mid x_0) \,\|\, p(x_T))}_{L_T} + \sum_{t>1} \underbrace{D_{\mathrm{KL}}(q(x_{t-1} \mid x_t, x_0) \,\|\, p_\theta(x_{t-1} \mid x_t))}_{L_{t-1}} \underbrace{-\log p_\theta(x_0 \mid x_1)}_{L_0}$$

Every bill of a picture walks one and the same path $x_T, \dots, x_0$, drawn from the seed; so bills differ in what is named and in nothing else.

**The network** is the lab's pixel model at 32 × 32. It learned the variance of its steps, too (Nichol & Dhariwal 2021); β and β̃ are
the two variances that DDPM fixed. **The memoriser** is the exact denoiser: its model is the list of its training pictures. To name one of
$N$ takes $\log_2 N$ bits; its true reverse step, a mixture, pays exactly that and nothing at small $t$. A picture that it does not hold it gives no
probability at all.

Along one path a step may even give it bits back; such terms are gaps in its curve. With **Gaussian steps** of a fixed variance in place of the mixture it
pays for the last noise of the values besides, and finite bits for any picture.

**What the numbers are not.** Held-out drawings cost this network 2.3 bits per dimension on average in 1,000 steps, training pictures
hardly less. That is no match for the 2.94 of Improved DDPM on CIFAR-10's photographs: much of a drawing is plain white, which is cheap. A bound is
not the likelihood; “Second opinion” asks the probability-flow ODE for that (Song et al. 2021). One path is one sample of the bound: another
seed gives a slightly other bill.
"""

UNDER = {
    "bill": "Left the picture; then what its receiver has of it, and what the model guesses from that. The table is the bill: a bound, not the "
    "likelihood. In 1,000 steps held-out drawings cost the network 2.3 bits per dimension on average; Improved DDPM paid 2.94 for photographs "
    "(CIFAR-10), which have no plain white.",
    "rank": "The cheapest picture first, in bits per dimension. A model that learned drawings finds drawings cheap and noise dear: dearer than the "
    "8 bits of the plain values. What it draws itself in 20 steps keeps some grain, which costs.",
}
