// The stage is made as wide as lets all of it stand above the dock; below a third of the width it scrolls instead.
() => {
  const body = document.body, button = document.querySelector("[data-present]");
  const stage = () => {
    const stages = [...document.querySelectorAll(button.dataset.stages)];
    for (const one of stages) one.dataset.presented = "";
    return stages.find((one) => one.offsetParent);
  };
  const fit = () => {
    const shown = stage();
    body.classList.toggle("presenting-stage", body.classList.contains("presenting") && !!shown);
    if (!body.classList.contains("presenting") || !shown) return;
    const dock = [...document.querySelectorAll(".dock")].find((one) => one.offsetParent || one.offsetHeight);
    const column = shown.closest(".stage");
    const foot = innerHeight - (dock ? dock.offsetHeight : 0) - 4;
    for (let percent = 100; percent >= 34; percent -= 2) {
      column.style.setProperty("--presented", `${percent}%`);
      if (shown.getBoundingClientRect().bottom + scrollY <= foot) break;
    }
  };
  let due = 0;
  const soon = () => { cancelAnimationFrame(due); due = requestAnimationFrame(fit); };
  const present = (on) => {
    body.classList.toggle("presenting", on);
    button.setAttribute("aria-pressed", String(on));
    button.textContent = on ? "Leave" : "Present";
    scrollTo(0, 0);
    fit();
    dispatchEvent(new Event("resize"));
  };
  const writing = (one) => one.closest?.("textarea, select, [contenteditable=true], [role=listbox]")
    || (one.matches?.("input") && !/^(range|radio|checkbox|button)$/.test(one.type));
  document.addEventListener("keydown", (event) => {
    const on = body.classList.contains("presenting");
    if (event.key === "Escape" && on && !document.querySelector(".look-full, .held-full")) present(false);
    if (event.key.toLowerCase() !== "p" || event.ctrlKey || event.metaKey || event.altKey || writing(event.target)) return;
    event.preventDefault();
    present(!on);
  }, true);
  button.addEventListener("click", () => present(!body.classList.contains("presenting")));
  addEventListener("resize", soon);
  new ResizeObserver(soon).observe(document.querySelector(".tabs"));
  if (new URLSearchParams(location.search).get("present") === "1") present(true);
}
