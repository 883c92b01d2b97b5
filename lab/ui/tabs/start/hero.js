// Reduced motion shows the finished pictures and moves when it is asked to.
const hero = element.querySelector('.start-hero'), pause = hero.querySelector('[data-pause]');
const calm = matchMedia('(prefers-reduced-motion: reduce)').matches;
let moving = !calm;
const show = () => {
  hero.classList.toggle('start-still', !moving);
  hero.classList.toggle('start-moving', moving);
  pause.textContent = moving ? 'Pause' : 'Play';
};
pause.addEventListener('click', () => { moving = !moving; show(); });
hero.querySelector('[data-through]').addEventListener('click', () => document.getElementById('start-through').click());
show();
