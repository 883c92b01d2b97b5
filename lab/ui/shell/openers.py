"""Buttons that open another tab of the page and press one of its presets.

By the page's own buttons, so nothing is asked of the server. Gradio lays a tab out when it is first opened, so the preset
may be some frames away. On a phone the tabs that do not fit are in a menu, where they have no ids.
"""

from html import escape

OPEN_JS = """() => {
  document.addEventListener("click", (event) => {
    const chosen = event.target.closest("button[data-tab]");
    if (!chosen) return;
    const { tab, title, preset } = chosen.dataset;
    const menu = [...document.querySelectorAll(".overflow-dropdown button")];
    const opener = document.getElementById(`tab-${tab}-button`)
      || menu.find((one) => one.textContent.trim() === title);
    if (!opener) return;
    window.labAsked = preset ? tab : "";  // the tab's first scene is not wanted then
    opener.click();
    window.scrollTo(0, 0);
    if (!preset) return;
    const until = performance.now() + 10000;
    const press = () => {
      const row = document.getElementById(`${tab}-presets`);
      const shown = row && row.offsetParent ? [...row.querySelectorAll("button")] : [];
      const button = shown.find((one) => one.textContent.trim() === preset);
      if (button) { window.scrollTo(0, 0); button.click(); button.focus({ preventScroll: true }); }
      else if (performance.now() < until) requestAnimationFrame(press);
    };
    press();
  });
}"""


def opener(tab: str, title: str, text: str, *, preset: str = "", label: str = "", classes: str = "") -> str:
    """A button for gr.HTML that says `text` and opens the tab `title`, at a preset where one is named."""
    wanted = f' data-preset="{escape(preset)}"' if preset else ""
    spoken = f' aria-label="{escape(label)}"' if label else ""
    return (
        f'<button type="button" class="{escape(classes)}" data-tab="{escape(tab)}" data-title="{escape(title)}"'
        f"{wanted}{spoken}>{escape(text)}</button>"
    )
