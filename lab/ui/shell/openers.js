// A button or a link that names a tab opens it, at the place that it names, or presses the preset that it names.
() => {
  document.addEventListener("click", (event) => {
    const chosen = event.target.closest(":is(button, a)[data-tab]");
    if (!chosen || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    const { tab, preset, place } = chosen.dataset;
    if (place) return window.labAddress.visit(tab, place);
    window.labAsked = preset ? tab : "";  // the tab's first scene is not wanted then
    window.labTabs.open(tab);
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
