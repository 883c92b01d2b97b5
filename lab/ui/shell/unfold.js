// A head is folded on a phone, open elsewhere, where nothing is to be pressed; and so when the window changes.
const more = element.querySelector('details'), wide = matchMedia('(min-width: 701px)');
const fit = () => { more.open = wide.matches; };
wide.addEventListener('change', fit);
fit();
