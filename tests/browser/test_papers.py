"""The Papers tab in a real browser."""

from playwright.sync_api import expect

from lab.papers import PAPERS

expect.set_options(timeout=60_000)  # two cores, perhaps busy


def test_a_paper_opens_its_tab_and_presses_its_preset(page):
    page.get_by_role("tab", name="Papers").click()
    cards = page.locator(".papers-card")
    expect(cards).to_have_count(len(PAPERS))
    expect(cards.locator(".katex-display")).to_have_count(len(PAPERS))
    expect(cards.locator(".katex-error")).to_have_count(0)
    expect(page.get_by_text("Instrument not built yet")).to_have_count(sum(not row.tries for row in PAPERS))
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    expect(page.get_by_role("tab", name="Guidance")).to_be_hidden()  # the strip is folded
    page.get_by_role("button", name="Try it: Perfect scores, too").click()
    expect(page.locator("#guidance-presets button:focus")).to_have_text("Perfect scores, too")

    page.set_viewport_size({"width": 1440, "height": 1000})
    page.get_by_role("tab", name="Papers").click()

    page.get_by_role("button", name="Try it: Linear against cosine").click()
    expect(page.get_by_role("tab", name="Forward noising")).to_have_attribute("aria-selected", "true")
    expect(page.locator(".noising-pictures .rival figure")).to_be_visible()  # the preset's second schedule
    expect(page.locator("#noising-presets button:focus")).to_have_text("Linear against cosine")

    page.get_by_role("tab", name="Papers").click()
    card = page.locator("#papers-at-Zhang-Rao-Agrawala-2023")
    card.locator("[data-place='latent.zero']").click()
    expect(page.locator("#latent-zero h3")).to_be_focused()
    assert page.url.endswith("?tab=notes&at=latent.zero")
    page.locator("#latent-zero .card").click()
    expect(card).to_be_focused()
    page.go_back()
    expect(page.locator("#latent-zero h3")).to_be_focused()
