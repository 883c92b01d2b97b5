// The stage is made as wide as lets all of it stand above the dock; below a third of the width it scrolls instead.
() => {
  const body = document.body, button = document.querySelector("[data-present]"), presenter = document.querySelector(".presenter");
  const beside = presenter.querySelector("[data-beside]"), title = presenter.querySelector("[data-preset]");
  const seen = (one) => one.offsetParent || one.offsetHeight;
  const named = (selector) => (selector ? [...document.querySelectorAll(selector)].find((one) => one.closest(".tabitem")?.offsetParent) : undefined);
  const on = () => body.classList.contains("presenting");

  // The presets of the tab, in a circle. The one that was pressed last is said.
  const row = () => document.getElementById(`${window.labTabs.shown()}-presets`);
  const chips = () => [...(row()?.querySelectorAll("button") || [])];
  const last = {};
  const at = () => {
    const pressed = chips().findIndex((one) => one.getAttribute("aria-pressed") === "true");
    return pressed >= 0 ? pressed : last[window.labTabs.shown()] ?? 0;
  };
  document.addEventListener("click", (event) => {
    const index = chips().indexOf(event.target.closest(".presets button"));
    if (index >= 0) { last[window.labTabs.shown()] = index; soon(); }
  }, true);
  const turn = (by) => {
    const all = chips();
    if (all.length) all[(at() + by + all.length) % all.length].click();
  };

  // What is read from the last row: the prompt, as the control of the tab has it.
  const prompt = () => document.querySelector(`#${window.labTabs.shown()}-prompt :is(textarea, input)`)?.value || "";
  const say = () => {
    const words = chips()[at()]?.textContent || "";
    if (title.textContent !== words) title.textContent = words; // it is said at every change
    body.style.setProperty("--prompt", JSON.stringify(prompt()));
    body.classList.toggle("presenting-prompt", on() && !!prompt());
  };

  const fit = () => {
    for (const one of document.querySelectorAll(button.dataset.stages)) one.dataset.presented = "";
    const stage = named(button.dataset.stages), board = named(button.dataset.boards);
    presenter.hidden = !on() || !stage;
    body.classList.toggle("presenting-stage", on() && !!stage);
    beside.hidden = !board;
    body.classList.toggle("presenting-board", on() && !!board && beside.getAttribute("aria-pressed") === "true");
    say();
    if (!on() || !stage) return;
    if (board) board.dataset.board = "";
    const dock = [...document.querySelectorAll(".dock")].find(seen);
    const column = stage.closest(".stage");
    const foot = innerHeight - (dock ? dock.offsetHeight : 0) - 4;
    for (let percent = 100; percent >= 34; percent -= 2) {
      column.style.setProperty("--presented", `${percent}%`);
      if (stage.getBoundingClientRect().bottom + scrollY <= foot) break;
    }
  };
  let due = 0;
  const soon = () => { cancelAnimationFrame(due); due = requestAnimationFrame(fit); };
  const present = (wanted) => {
    body.classList.toggle("presenting", wanted);
    button.setAttribute("aria-pressed", String(wanted));
    button.textContent = wanted ? "Leave" : "Present";
    scrollTo(0, 0);
    fit();
    dispatchEvent(new Event("resize"));
  };
  const writing = (one) => one.closest?.("textarea, select, [contenteditable=true], [role=listbox]")
    || (one.matches?.("input") && !/^(range|radio|checkbox|button)$/.test(one.type));
  const steering = (one) => writing(one) || one.closest?.("input, [role=slider], [role=tablist], .map-editor, .paint, [data-film]");
  const large = () => document.querySelector(".look-full, .held-full");
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || writing(event.target)) return;
    if (event.key === "Escape" && on() && !large() && !event.defaultPrevented) present(false);
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (by && on() && !large() && !steering(event.target)) { event.preventDefault(); turn(by); }
    if (event.key.toLowerCase() !== "p" || !window.labKeys.single()) return;
    event.preventDefault();
    present(!on());
  });
  button.addEventListener("click", () => present(!on()));
  for (const one of presenter.querySelectorAll("[data-turn]")) one.addEventListener("click", () => turn(Number(one.dataset.turn)));
  beside.addEventListener("click", () => {
    beside.setAttribute("aria-pressed", String(beside.getAttribute("aria-pressed") !== "true"));
    fit();
    dispatchEvent(new Event("resize"));
  });
  addEventListener("resize", soon);
  document.addEventListener("lab:tab", soon);
  const tabs = document.querySelector(".tabs");
  new ResizeObserver(soon).observe(tabs);
  // A run repaints its stage; the page's controls tell of nothing when the server sets them.
  let words = 0;
  new MutationObserver(() => { if (on()) { clearTimeout(words); words = setTimeout(say, 100); } }).observe(tabs, { subtree: true, childList: true });
  if (new URLSearchParams(location.search).get("present") === "1") present(true);
}
