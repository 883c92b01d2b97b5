"""The chapters, in the order in which they stand on one another."""

from lab.notes.chapters import basics, dynamics, elbo, flow, forward, guidance, latent, loss, variance

CHAPTERS = (
    basics.CHAPTER,
    elbo.CHAPTER,
    forward.CHAPTER,
    loss.CHAPTER,
    variance.CHAPTER,
    dynamics.CHAPTER,
    guidance.CHAPTER,
    latent.CHAPTER,
    flow.CHAPTER,
)
STEPS = {f"{chapter.name}.{step.name}": step for chapter in CHAPTERS for step in chapter.steps}
