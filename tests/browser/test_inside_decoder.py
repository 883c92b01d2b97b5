"""The decoder in the page against the network itself."""

import base64

import numpy as np
import pytest
import torch
from safetensors.numpy import load, load_file

from lab.models.bottleneck import Bottleneck
from lab.ui.shell.sources import beside
from lab.ui.tabs.inside import weights

SCRIPT = beside(weights.__file__, "decoder.js")
DECODE_JS = """async ({ script, weights, codes }) => {
  const module = await import(URL.createObjectURL(new Blob([script], { type: 'text/javascript' })));
  const network = module.read(await (await fetch(weights)).arrayBuffer());
  const canvas = document.createElement('canvas');
  const decoded = codes.map((code) => Array.from(module.decode(network, code)));
  module.paint(canvas, Float32Array.from(decoded[0]));
  const pixels = Array.from(canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data);
  return { latents: network.latents, side: network.side, decoded, pixels };
}"""


@pytest.fixture(scope="module")
def blank(browser):
    page = browser.new_page()
    page.goto("about:blank")
    yield page
    page.close()


def codes_of(latents):
    """Codes at the origin, as of the prior, and far out."""
    drawn = torch.randn(4, latents, generator=torch.Generator().manual_seed(5))
    return torch.cat([torch.zeros(1, latents), drawn, 4 * drawn[:1]])


def in_page(blank, content, codes):
    uri = "data:application/octet-stream;base64," + base64.b64encode(content).decode()
    return blank.evaluate(DECODE_JS, {"script": SCRIPT, "weights": uri, "codes": codes.tolist()})


def check(blank, network, content):
    codes = codes_of(network.config.latents)
    found = in_page(blank, content, codes)
    with torch.inference_mode():
        wanted = network.decode(codes)
    assert (found["latents"], found["side"]) == (network.config.latents, network.config.side)
    np.testing.assert_allclose(np.reshape(found["decoded"], wanted.shape), wanted.numpy(), atol=1e-3, rtol=0)
    pixels = np.reshape(found["pixels"], (network.config.side, network.config.side, 4))
    assert (pixels[..., 3] == 255).all()
    as_bytes = ((wanted[0].clamp(-1, 1) + 1) * 127.5).permute(1, 2, 0).numpy()
    assert np.abs(pixels[..., :3] - as_bytes).max() <= 0.5 + 127.5e-3


@pytest.mark.parametrize(("latents", "side", "channels"), [(2, 32, (24, 32, 48)), (10, 32, (5, 7, 9)), (3, 16, (4, 6))])
def test_the_page_decodes_as_a_network_of_any_shape_does(blank, tmp_path, latents, side, channels):
    torch.manual_seed(latents)
    network = Bottleneck(latents, side, channels, hidden=31).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(3 * parameter.half())  # larger, so that pictures are not all grey; what float16 holds
    network.half().float().save_pretrained(tmp_path)
    check(blank, network, weights.decoder(tmp_path / weights.FILE.format("")))


@pytest.mark.parametrize("member", weights.members())
def test_the_page_decodes_as_every_member_of_the_families_does(blank, member):
    network = Bottleneck.from_pretrained(weights.members()[member].parent).eval()
    check(blank, network, weights.decoder(weights.members()[member]))


def test_what_the_page_fetches_is_the_decoder_alone_in_half_the_bytes(tmp_path):
    Bottleneck(latents=2).save_pretrained(tmp_path)
    file = tmp_path / weights.FILE.format("")
    tensors, all_tensors = load(weights.decoder(file)), load_file(file)
    assert {name for name in all_tensors if name.startswith(("from", "to_map", "up"))} == tensors.keys()
    for name, values in tensors.items():
        np.testing.assert_array_equal(values, all_tensors[name].astype(np.float16))


def test_the_address_of_a_decoder_changes_with_its_weights(tmp_path, monkeypatch):
    found = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        Bottleneck(latents=2).save_pretrained(tmp_path)
        monkeypatch.setattr(weights, "members", lambda: {"map/one": tmp_path / weights.FILE.format("")})
        weights.address.cache_clear()
        found.append(weights.address("map/one"))
    weights.address.cache_clear()
    assert found[0] != found[1]
    assert all(one.endswith("/map/one.safetensors") for one in found)
