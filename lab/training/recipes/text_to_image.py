"""text-to-image: latent diffusion on captions (Rombach et al. 2022), as Stable Diffusion 1 conditions and noises."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import StableDiffusionPipeline, UNet2DConditionModel
from torch import Tensor, nn
from transformers import CLIPTextModel

from lab.training.corpus import Corpus
from lab.training.recipes.latents import LatentOptions, LatentRecipe, generate, noise_scheduler
from lab.training.records import tile
from lab.training.train import Models

PROMPTS = (
    "red heart", "grinning face", "cat face", "red apple", "rocket", "pizza", "crescent moon", "fire engine",
    "angry face", "tiger face", "blue heart", "fish", "tangerine", "frog", "sun", "soccer ball",
    "smiling face with sunglasses", "dog face", "green heart", "strawberry", "airplane", "hamburger", "full moon", "taxi",
    "crying cat", "panda", "broken heart", "banana", "sailboat", "doughnut", "cloud", "bus",
    "face with tears of joy", "chicken", "yellow heart", "cherries", "house", "bread", "star", "cup of hot coffee",
    "a person in a red shirt and blue trousers, waving, green background",
    "a person in a yellow dress, jumping, blue background",
    "a person with long black hair in a purple jumper and grey trousers, running, orange background",
    "a person in a white shirt and black shorts, hands up, pink background",
    "a person with curly red hair in a green jumper and brown skirt, sitting, white background",
    "a person in a blue shirt and red trousers, dancing, yellow background",
    "a person in a pink dress, arms out, grey background", "a person in a black jumper, standing, red background",
    "a person in a green shirt and white trousers, waving", "a person in an orange dress, dancing",
    "a person in a purple shirt and black trousers, hands up", "a person in a red jumper and blue skirt, jumping",
    "a person in a yellow shirt and green shorts, running", "a person in a blue dress, sitting",
    "a person in a grey jumper and red trousers, arms out", "a person in a brown shirt and orange trousers, standing",
    "a person waving", "a person jumping", "a person running", "a person sitting",
    "a person with hands up", "a person dancing", "a person in red", "a person in blue",
)  # fmt: skip
SHEET_SCALE = 4.0


@dataclass(frozen=True)
class TextToImageOptions(LatentOptions):
    batch: int = 64
    channels: tuple[int, ...] = (64, 96, 128)
    attention: tuple[bool, ...] = (False, True, True)  # cross-attention at each level
    start: str = (
        ""  # a model of this recipe to begin from, in diffusers' folder format; empty: CLIP's text encoder alone
    )


class TextAndUNet(nn.Module):
    """The two networks that learn together."""

    def __init__(self, text: CLIPTextModel, unet: UNet2DConditionModel) -> None:
        super().__init__()
        self.text, self.unet = text, unet


class TextToImage(LatentRecipe[TextAndUNet]):
    """Latent diffusion on captions: drawings and people.

    The text encoder starts as CLIP's and learns on with the UNet, as Rombach et al. trained theirs (section 4.3.1): a
    small CLIP tells captions apart by less than the UNet needs.
    """

    name = "text-to-image"
    options: TextToImageOptions

    def __init__(self, options: TextToImageOptions, corpus: Corpus, device: torch.device, models: Models) -> None:
        super().__init__(options, corpus, device, models)
        torch.manual_seed(options.seed)
        unet = UNet2DConditionModel(
            sample_size=options.size // 4,
            down_block_types=tuple("CrossAttnDownBlock2D" if on else "DownBlock2D" for on in options.attention),
            up_block_types=tuple("CrossAttnUpBlock2D" if on else "UpBlock2D" for on in reversed(options.attention)),
            block_out_channels=options.channels,
            layers_per_block=1,
            norm_num_groups=8,
            attention_head_dim=tuple(max(1, width // 32) for width in options.channels),  # the number of heads
            cross_attention_dim=self.text.config.hidden_size,
        )
        if options.start:
            folder = Path(options.start)
            unet.load_state_dict(UNet2DConditionModel.from_pretrained(folder, subfolder="unet").float().state_dict())
            self.text.load_state_dict(CLIPTextModel.from_pretrained(folder / "text_encoder").float().state_dict())
        self.model = TextAndUNet(self.text, unet).to(device)

    @staticmethod
    def parts(models: Models) -> tuple[Path, Path, Path]:
        return models("autoencoder"), models("clip") / "tokenizer", models("clip") / "text_encoder"

    def loss(self, model: TextAndUNet, rng: torch.Generator) -> dict[str, Tensor]:
        batch = self.batch(rng)
        hidden = model.text(batch.tokens).last_hidden_state

        def denoise(x_t: Tensor, t: Tensor) -> Tensor:
            return model.unet(x_t, t, encoder_hidden_states=hidden).sample

        return {"loss": self.denoising_loss(denoise, batch.latents, rng)}

    def sheet(self, model: TextAndUNet) -> np.ndarray:
        """Each of the 64 prompts from its own noise."""
        return tile(generate(self.pipeline(model), list(PROMPTS), SHEET_SCALE, self.options.sheet_steps), 8)

    def pipeline(self, model: TextAndUNet) -> StableDiffusionPipeline:
        return StableDiffusionPipeline(
            vae=self.autoencoder, text_encoder=model.text, tokenizer=self.tokenizer, unet=model.unet,
            scheduler=noise_scheduler(self.options), safety_checker=None, feature_extractor=None,
            requires_safety_checker=False,
        )  # fmt: skip

    def export(self, model: TextAndUNet, folder: Path) -> None:
        self.pipeline(model).save_pretrained(folder)
