// "Show me" presses a preset: the tab's name and the preset's title come in one text.
(revealed) => {
  const [tab, ...title] = revealed.split(" ");
  const buttons = [...document.querySelectorAll(`#${tab}-presets button`)];
  buttons.find((one) => one.textContent.trim() === title.join(" "))?.click();
}
