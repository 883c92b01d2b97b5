// The checks of the notes: both sides of a step on the numbers that stand there, of one step or of all of a chapter.
const word = (value) => document.createTextNode(value);
const SILENT = "The lab does not answer. Look whether it runs, and try again.";

// What the lab answers; while it starts it says so by 202, and is asked again.
export const answered = async (address) => {
  for (;;) {
    const response = await fetch(address);
    if (response.status !== 202) return response;
    await new Promise((later) => setTimeout(later, 1000));
  }
};

// Whether the number in a box cannot be taken.
export const refused = ({ value, dataset: { low, high, whole } }) => {
  const number = value.trim() === "" ? Number.NaN : Number(value);
  return !(number >= Number(low) && number <= Number(high) && (!whole || Number.isInteger(number)));
};

// A number as the page calls it: what stands before its box.
export const called = (input) => input.labels[0].firstElementChild.cloneNode(true);

const refusal = (input) => {
  const { low, high, whole } = input.dataset;
  return [word("Give "), called(input), word(` ${whole ? "a whole number" : "a number"} from ${low} to ${high}.`)];
};

const wrongOf = (form) => {
  const inputs = [...form.querySelectorAll("input")], wrong = inputs.find(refused);
  for (const one of inputs) one.ariaInvalid = one === wrong ? "true" : null;
  return wrong;
};

const say = (form, state, words, sides = {}) => {
  for (const side of ["left", "right"]) form.querySelector(`[data-side=${side}]`).textContent = sides[side] ?? "";
  form.querySelector(".said").replaceChildren(...words);
  form.classList.remove("asked", "old");
  form.dataset.state = state;
};

// A box was left: what it has and cannot be taken is refused at once, since no link holds it.
export const left = (form) => {
  const wrong = wrongOf(form);
  if (wrong) say(form, "refused", refusal(wrong));
};

const numbers = (form) => new URLSearchParams(new FormData(form));

const ask = async (form) => {
  const values = numbers(form);
  values.set("step", form.dataset.step);
  try {
    const response = await answered(new URL(`../check?${values}`, import.meta.url));
    const answer = await response.json();
    if (response.ok) return { state: answer.agree ? "holds" : "fails", ...answer };
    return { state: "refused", words: answer.detail ?? "The lab cannot compute this. Load the page anew." };
  } catch {
    return { state: "silent", words: SILENT };
  }
};

// Check a form; says in its `data-state` whether the step holds, fails, or was not checked, since a number was refused or nobody answered.
export const check = async (form) => {
  const wrong = wrongOf(form);
  form.classList.add("asked");
  const given = `${numbers(form)}`;
  const answer = wrong ? { state: "refused", words: refusal(wrong) } : await ask(form);
  if (`${numbers(form)}` !== given) { // they were changed meanwhile: what stands there stays marked as of other ones
    form.classList.remove("asked");
    return answer.state;
  }
  say(form, answer.state, [answer.words].flat(), answer);
  return answer.state;
};

const places = (forms) => forms.flatMap((form, i) => {
  const link = document.createElement("a"), step = form.closest("article");
  link.href = `#${step.id}`;
  link.dataset.at = form.dataset.step;
  link.textContent = step.querySelector("h3").textContent.split(" ")[0];
  return i ? [word(", "), link] : [link];
});

export const checkAll = async (notes, button) => {
  const forms = [...notes.querySelectorAll("form.check")], said = notes.querySelector(".all-said");
  const by = { holds: [], fails: [], refused: [] };
  button.disabled = true;
  for (const [i, form] of forms.entries()) {
    said.textContent = `Step ${i + 1} of ${forms.length} …`;
    const state = await check(form);
    if (state === "silent") break;
    by[state].push(form);
  }
  button.disabled = false;
  const { holds, fails, refused } = by, count = holds.length + fails.length + refused.length;
  if (count < forms.length) said.textContent = `${SILENT} ${count} of ${forms.length} steps are checked.`;
  else if (holds.length === count) said.textContent = `All ${count} hold on these numbers.`;
  else said.replaceChildren(
    word(`${holds.length} of ${count} hold on these numbers.`),
    ...(fails.length ? [word(fails.length === 1 ? " One does not: " : " These do not: "), ...places(fails), word(".")] : []),
    ...(refused.length ? [word(refused.length === 1 ? " One is not checked, since a number in it cannot be taken: " : " These are not checked, since a number in each cannot be taken: "),
      ...places(refused), word(". There it says what to give.")] : []),
  );
};
