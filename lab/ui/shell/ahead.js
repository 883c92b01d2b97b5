// The sentence about the line, asked for every five seconds by pages that somebody looks at.
const sentence = element.querySelector('.lab-ahead');
const ask = async () => {
  if (!document.hidden) {
    try {
      const answer = await fetch('line', {cache: 'no-store'});
      const text = answer.ok ? await answer.text() : '';
      if (text !== sentence.textContent) sentence.textContent = text;
    } catch {}
  }
  setTimeout(ask, 5000);
};
ask();
