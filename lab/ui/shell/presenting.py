"""Presenting: for a lecture hall, a tool tab as its pictures, its question and one control, in large type.

All of it is CSS and a script in the page: the server knows nothing of it. It begins with the button in the header, with
the key P or with `?present=1` in the address, and ends with the same button, P or Escape.
"""

STAGES = "#noising-pictures, #samplers-stage, #guidance-stage, #controlnet-stage"
BUTTON = (
    '<button type="button" class="lab-present" data-present aria-pressed="false" aria-keyshortcuts="P" '
    'title="Large type, only pictures and one control (key P)">Present</button>'
)

CSS = """
.lab-header .lab-present { margin-left: auto; flex: none; padding: 6px 14px; font-size: 14px; font-weight: 500; border-radius: 999px;
  cursor: pointer; border: 1px solid var(--button-secondary-border-color); background: var(--button-secondary-background-fill);
  color: var(--button-secondary-text-color); }
.lab-header .lab-present:hover { background: var(--button-secondary-background-fill-hover); }
@media (max-width: 700px) { .lab-header .lab-present { display: none; } }

/* important, since Gradio gives the selectors of every other rule a longer one in front */
body.presenting .gradio-container { max-width: none !important; padding-bottom: 0 !important; }
body.presenting .lab-header { padding: 0 !important; }
body.presenting .lab-header > :not(.lab-present), body.presenting .start-cards, body.presenting .ahead-block,
body.presenting-stage .tab-wrapper, body.presenting .lab-head details, body.presenting .lab-head-row > button,
body.presenting .lesson, body.presenting .presets, body.presenting .stage-row ~ *, body.presenting #lab-door,
body.presenting .stage > :not(STAGES, .dock), body.presenting .controls > :not(.dock),
body.presenting .dock .lab-note:not(.bad) { display: none !important; }
body.presenting .lab-present { position: fixed !important; right: 18px; top: 14px; z-index: 60;
  opacity: .75; }
body.presenting .lab-present:is(:hover, :focus-visible) { opacity: 1 !important; }
body.presenting .lab-head h2 { font-size: clamp(28px, 2.6vw, 48px) !important; padding: 0 120px 4px 0 !important; }
body.presenting .stage-row { flex-direction: column !important; align-items: stretch !important; gap: 0 !important; }
body.presenting .controls { position: static !important; max-height: none !important; overflow: visible !important;
  padding: 0 !important; }
body.presenting .stage { width: var(--presented, 100%) !important; margin: 0 auto !important; flex: none !important; }
body.presenting .noising-pictures { justify-content: center !important; }
body.presenting .noising-pictures, body.presenting .sweep, body.presenting .held { max-width: none !important; }
body.presenting .cell { max-width: none !important; max-height: none !important; }
body.presenting .dock { position: fixed !important; top: auto !important; left: 0; right: 0; bottom: 0; z-index: 50; align-items: center !important;
  padding: 12px 24px 16px !important; width: 100% !important; background: var(--body-background-fill); }
body.presenting .dock > * { width: min(100%, 640px) !important; }
body.presenting .dock > .transport { width: min(100%, 1200px) !important; }
body.presenting .dock button.lab-go { font-size: 20px !important; min-height: 56px !important; }
body.presenting :is(.noising-pictures, .held, .look) figcaption, body.presenting .noising-pictures .beside figcaption,
body.presenting .lane header span, body.presenting .lane .foot, body.presenting .dock label span { font-size: 17px !important; }
body.presenting :is(.lane header b, .cells .head, .cells .row, .held .head, .held .side, .sweep .side) { font-size: 20px !important; }
body.presenting .sweep .head { font-size: 26px !important; }
body.presenting :is(.sweep .head i, .sweep .side i, .sweep .corner, .held .head i, .held .side i) { font-size: 15px !important; }
body.presenting :is(.held small, .cell small, .lane figcaption) { font-size: 15px !important; }
body.presenting .held figcaption { display: none !important; }
""".replace("STAGES", STAGES)

# The stage is made as wide as lets all of it stand above the dock; below a third of the width it scrolls instead.
PRESENT_JS = """() => {
  const body = document.body, button = document.querySelector("[data-present]");
  const stage = () => [...document.querySelectorAll("STAGES")].find((one) => one.offsetParent);
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
}""".replace("STAGES", STAGES)
