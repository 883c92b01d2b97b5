// A button that names a tab opens it, and presses the preset that it names.
() => {
  const titles = JSON.parse(document.querySelector(".lab-header").dataset.tabs);
  document.addEventListener("click", (event) => {
    const chosen = event.target.closest("button[data-tab]");
    if (!chosen) return;
    const { tab, preset } = chosen.dataset;
    const menu = [...document.querySelectorAll(".overflow-dropdown button")];
    const opener = document.getElementById(`tab-${tab}-button`)
      || menu.find((one) => one.textContent.trim() === titles[tab]);
    if (!opener) return;
    window.labAsked = preset ? tab : "";  // the tab's first scene is not wanted then
    opener.click();
    window.scrollTo(0, 0);
    if (!preset) return;
    const until = performance.now() + 10000;
    const press = () => {
      const row = document.getElementById(`${tab}-presets`);
      const shown = row?.offsetParent ? [...row.querySelectorAll("button")] : [];
      const button = shown.find((one) => one.textContent.trim() === preset);
      if (button) { window.scrollTo(0, 0); button.click(); button.focus({ preventScroll: true }); }
      else if (performance.now() < until) requestAnimationFrame(press);
    };
    press();
  });
}
