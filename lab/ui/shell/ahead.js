// The sentence about the line, asked for every five seconds by pages that somebody looks at.
const sentence = element.querySelector('.lab-ahead');
// Above Run and Stop, where these lie at the lower edge.
const rise = () => {
  const dock = [...document.querySelectorAll('.dock')].find((one) => one.getClientRects().length);
  const foot = dock && getComputedStyle(dock).position === 'fixed' ? dock.offsetHeight : 0;
  element.closest('.ahead-block').style.setProperty('--foot', `${foot}px`);
};
addEventListener('resize', rise);
document.addEventListener('lab:tab', () => setTimeout(rise));
const ask = async () => {
  if (!document.hidden) {
    try {
      const answer = await fetch('line', {cache: 'no-store'});
      const text = answer.ok ? await answer.text() : '';
      if (text !== sentence.textContent) sentence.textContent = text;
      if (text) rise();
    } catch {}
  }
  setTimeout(ask, 5000);
};
ask();
