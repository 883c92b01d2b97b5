"""The page without a mouse and without eyes: a walk by Tab through every tab, and what a reader says of a run."""

import re

import pytest
from playwright.sync_api import expect

from lab.ui import TABS
from tests.browser.conftest import ended, fill, open_tab

expect.set_options(timeout=60_000)  # two cores, perhaps busy
MOST_SAID = 3  # of a run: it begins, perhaps one word between, what came of it
# What can be operated and is seen; `look` is what a focus ring may change, of the element, its parents and its label.
WALK_JS = """() => {
  const seen = (one) => one.checkVisibility({ contentVisibilityAuto: true, visibilityProperty: true });
  const name = (one) => `${one.tagName} ${one.id} ${(one.ariaLabel || one.labels?.[0]?.innerText || one.innerText || "").trim().slice(0, 60)}`;
  const around = (one) => [one, one.parentElement, one.parentElement.parentElement, one.parentElement.parentElement.parentElement, ...(one.labels ?? [])];
  const look = (one) => { const s = getComputedStyle(one); return [s.outline, s.boxShadow, s.borderColor, s.strokeWidth, s.top].join(); };
  const operable = 'button:enabled, a[href], input:enabled, select:enabled, textarea:enabled, summary, [tabindex="0"], [role=button], [role=slider]';
  const walked = new Set();
  let before = null;
  window.walk = {
    step() {
      const at = document.activeElement;
      const ring = before && before.parts.some((one, i) => one.isConnected && look(one) !== before.looks[i]);
      const bare = before && !ring ? name(before.at) : null; // it looks now as it did with the focus
      const parts = at === document.body ? [] : around(at);
      const box = at.getBoundingClientRect(), label = at.labels?.[0]?.getBoundingClientRect() ?? box;
      const order = before && at !== document.body && !(before.at.compareDocumentPosition(at) & Node.DOCUMENT_POSITION_FOLLOWING);
      const column = at.closest(".dock, .controls, .stage");
      const above = before && column && column === before.column && box.bottom + scrollY <= before.top && box.left < before.right;
      const again = walked.has(at);
      before = at === document.body ? null : { at, parts, looks: parts.map(look), column, top: box.top + scrollY, right: box.right };
      walked.add(at);
      return { end: at === document.body, name: name(at), bare, backwards: order || above, again,
        unseen: at !== document.body && (!seen(at) || Math.max(box.width, label.width) < 3 || box.right < 0 || box.bottom < 0) };
    },
    missed: () => [...document.querySelectorAll(operable)].filter((one) => seen(one) && !walked.has(one) && one.role !== "tab").map(name),
  };
}"""
UNFOLD_JS = """() => {
  const tab = [...document.querySelectorAll("[role=tabpanel]")].find((one) => one.offsetParent);
  for (const one of tab.querySelectorAll("button.label-wrap:not(.open)")) one.click();
  for (const one of document.querySelectorAll("[role=tabpanel] details")) one.open = true;
}"""


@pytest.fixture
def page(browser, address):
    """A page without motion, so that what has the focus looks so at once."""
    page = browser.new_page(viewport={"width": 1440, "height": 900}, reduced_motion="reduce")
    page.set_default_timeout(60_000)
    page.goto(address)
    yield page
    page.close()


def walked(page):
    """Every stop of Tab from the top of the page, until it leaves it."""
    page.evaluate(WALK_JS)
    page.locator(".lab-skip").focus()
    stops = [page.evaluate("walk.step()")]
    while not stops[-1]["end"]:
        assert len(stops) < 400, "Tab does not leave the page"
        page.keyboard.press("Tab")
        stops.append(page.evaluate("walk.step()"))
    return stops


def test_tab_alone_reaches_whatever_a_pointer_can_in_the_order_of_the_page(page):
    for tab in TABS:
        open_tab(page, tab.name)
        page.evaluate(UNFOLD_JS)
        page.wait_for_timeout(1500)  # Gradio mounts what an accordion holds when it is opened
        stops = walked(page)
        found = {what: [one["name"] for one in stops if one[what]] for what in ("backwards", "unseen", "again")}
        assert found == {"backwards": [], "unseen": [], "again": []}, tab.name
        assert [one["bare"] for one in stops if one["bare"]] == [], tab.name
        assert page.evaluate("walk.missed()") == [], tab.name
        assert len(stops) > 5, tab.name


def test_keys_do_what_a_click_does(page):
    open_tab(page, "samplers")
    page.get_by_role("button", name="The eta dial").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="The eta dial")).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#samplers-stage section.lane")).to_have_count(5)
    page.locator("#tab-samplers .term").first.focus()
    expect(page.locator("#tab-samplers .term.meant")).not_to_have_count(0)
    cross = page.locator("#tab-samplers .token-remove").first
    cross.focus()
    expect(cross).to_have_attribute("aria-label", "Remove DDIM")
    page.keyboard.press("Space")
    expect(page.locator("#tab-samplers .token")).to_have_count(0)
    page.locator("#samplers-lesson-open").focus()
    page.keyboard.press("Space")
    expect(page.locator("#samplers-lesson")).to_be_visible()


def test_what_hovering_shows_of_a_curve_is_to_be_had_by_keys(page):
    open_tab(page, "guidance")
    dots = page.locator("#guidance-curves [data-key]")
    expect(dots).not_to_have_count(0)
    keys = set(dots.evaluate_all("all => all.map((one) => one.dataset.key)"))
    cells = page.locator("#guidance-stage button[data-key]")
    assert keys <= set(cells.evaluate_all("all => all.map((one) => one.dataset.key)"))
    said = set(dots.evaluate_all("all => all.map((one) => one.dataset.words)"))
    page.locator("#guidance-curves-table summary").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#guidance-curves-table td")).not_to_have_count(0)
    rows = page.locator("#guidance-curves-table tr").evaluate_all(
        "all => all.map((row) => [...row.cells].map((cell) => cell.textContent))"
    )
    curve, value = rows[0].index("curve"), rows[0].index("value")
    table = {f"{row[curve]} · {float(row[value]):.3f}" for row in rows[1:]}
    single = {one for one in said if "seed 2" in one}  # those of the first seed also stand on the line of diversity
    assert single and single <= table
    cells.nth(3).focus()
    page.keyboard.press("Enter")
    large = page.locator(".look .large button.box")
    page.get_by_role("radio", name="Anatomy of a step").focus()
    page.keyboard.press("Space")
    large.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_be_focused()
    page.keyboard.press("Escape")
    expect(large).to_be_focused()


# What a reader is told: the text of every live region that it knows of, whenever it changes.
LISTEN_JS = """() => {
  window.told = [];
  const live = "[aria-live]:not([aria-live=off]), [role=status], [role=alert], [role=log]";
  new MutationObserver((records) => {
    const regions = new Set();
    for (const { target, addedNodes } of records) {
      const region = (target.closest ? target : target.parentElement)?.closest(live);
      if (region) regions.add(region);
      for (const one of addedNodes) for (const part of one.querySelectorAll?.(live) ?? []) regions.add(part);
      for (const one of addedNodes) if (one.matches?.(live)) regions.add(one);
    }
    for (const one of regions) if (one.checkVisibility({ visibilityProperty: true }) && one.textContent.trim()) window.told.push(one.textContent.trim());
  }).observe(document.body, { subtree: true, childList: true, characterData: true });
}"""
SLOW = {  # a run that nobody has made before: control, what is typed, and what stands on the stage then
    "samplers": ("Seed", "4711"),
    "guidance": ("Seeds", "4711 4712 4713"),
    "controlnet": ("Strengths", "0.1 0.4 0.7 1.1"),
}


RESULT = r"\d+ pictures(, .*)? in [\d.]+ s|\d+ pictures, \d+ denoiser calls|All \d+ pictures were there already"
SAYS = {  # the name of all pictures together, and of each
    "samplers": (r"^Exact denoiser.*no prompt", r"[^,]+, \d+ steps: x0"),
    "guidance": (r"latent diffusion, prompt “red heart”, 20 steps$", r"scale [\d.]+ · seed 471\d · Classifier-free"),
    "controlnet": (r"prompt “.+”, edges as a map, \d+ steps$", r"strength [\d.]+ · window 0–1 · seed \d+"),
}


def told(page):
    """What was said since the last call."""
    page.wait_for_timeout(1000)  # it is said soon after
    return page.evaluate("window.told.splice(0)")


def disabled(nodes):
    """Run and Stop, and whether they are dead."""
    return sorted(
        (name, bool(properties.get("disabled")))
        for role, name, properties in nodes
        if role == "button" and name in ("Run", "Stop")
    )


def tree(page):
    """Roles, names and properties of what a reader finds in the page, as Chromium says."""
    session = page.context.new_cdp_session(page)
    nodes = session.send("Accessibility.getFullAXTree")["nodes"]
    session.detach()
    return [
        (
            node["role"]["value"],
            node.get("name", {}).get("value", ""),
            {one["name"]: one["value"].get("value") for one in node.get("properties", ())},
        )
        for node in nodes
        if not node["ignored"]
    ]


@pytest.mark.parametrize("tab", SLOW)
def test_a_run_is_told_as_begun_and_as_finished_and_no_more(page, address, tab):
    open_tab(page, tab)
    control, text = SLOW[tab]
    if tab == "samplers":
        page.get_by_role("button", name="Eight ways down").click()
        page.wait_for_timeout(500)
        ended(page, tab)
        fill(page.locator("#tab-samplers").get_by_label("number input for Steps"), "200")  # seconds, not a tenth of one
    fill(page.locator(f"#tab-{tab}").get_by_label(control, exact=True), text)
    page.wait_for_timeout(1000)
    page.evaluate(LISTEN_JS)
    page.locator(f"#{tab}-run").focus()
    page.keyboard.press("Enter")
    page.wait_for_function("tab => document.getElementById(`${tab}-stop`).disabled === false", arg=tab)
    with address.paused():
        during = tree(page)
    ended(page, tab)
    slow = told(page)
    assert 1 <= len(slow) <= MOST_SAID, slow
    assert [bool(re.search(RESULT, one)) for one in slow] == [False] * (len(slow) - 1) + [True], slow
    page.locator(f"#{tab}-run").click()
    page.wait_for_timeout(500)
    ended(page, tab)
    fast = told(page)
    assert 1 <= len(fast) <= MOST_SAID, fast
    assert [bool(re.search(RESULT, one)) for one in fast] == [False] * (len(fast) - 1) + [True], fast
    after = tree(page)
    assert disabled(during) == [("Run", True), ("Stop", False)] and disabled(after) == [("Run", False), ("Stop", True)]
    assert any(one.get("busy") for *_, one in during) and not any(one.get("busy") for *_, one in after)
    groups = [name for role, name, _ in after if role == "group"]
    assert any(re.search(SAYS[tab][0], name) for name in groups), groups
    pictures = [name for role, name, _ in after if role == "image" and re.fullmatch(SAYS[tab][1], name)]
    assert len(pictures) == page.locator(f"#{tab}-stage figure:visible:not(.same) img, #{tab}-stage button img").count()
