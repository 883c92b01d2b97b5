// Beside the plane: a picture of the lab at the same noise level, and how likely each class is the one that the cross came from.
import { COLOURS } from "./draw.js";
import { levelOf } from "./levels.js";
import { Random } from "./random.js";

export class Side {
  constructor(root, uri) {
    this.root = root;
    this.canvas = root.querySelector("canvas");
    this.bars = root.querySelector(".score-bars");
    this.words = root.querySelector(".score-said");
    this.ready = this.open(uri);
  }

  async open(uri) {
    const image = new Image();
    image.src = uri;
    await image.decode();
    const { width, height } = image;
    Object.assign(this.canvas, { width, height });
    const pen = this.canvas.getContext("2d", { willReadFrequently: true });
    pen.drawImage(image, 0, 0);
    this.plane = pen.getImageData(0, 0, width, height);
    this.x0 = Float32Array.from(this.plane.data, (value) => value / 127.5 - 1);
    this.eps = new Random(0).normals(new Float32Array(this.x0.length));
  }

  draw(scene, lambda) {
    if (!scene.mixture) {
      this.bars.replaceChildren();
      this.words.textContent = "";
    }
    if (!this.plane || !scene.mixture || !this.root.offsetParent) return;
    const { signal, noise } = levelOf(lambda), { data } = this.plane;
    for (let i = 0; i < data.length; i += 1) if (i % 4 < 3) data[i] = (signal * this.x0[i] + noise * this.eps[i]) * 127.5 + 127.5;
    this.canvas.getContext("2d").putImageData(this.plane, 0, 0);
    this.weigh(scene, lambda);
  }

  weigh(scene, lambda) {
    const odds = oddsAt(scene, lambda), titles = scene.data.class_titles;
    if (this.bars.childElementCount !== odds.length) {
      this.bars.innerHTML = odds.map((_, k) => `<li><span></span><i style="background:${COLOURS[k % COLOURS.length]}"></i><b></b></li>`).join("");
    }
    odds.forEach((odd, k) => {
      const [name, bar, number] = this.bars.children[k].children;
      name.textContent = titles[k];
      bar.style.width = `${100 * odd}%`;
      number.textContent = odd.toFixed(2);
    });
    const [dx, dy] = scene.field(Float64Array.from(scene.probe), levelOf(lambda)), { noise } = levelOf(lambda);
    this.words.textContent = `Score at the cross: ${(Math.hypot(dx, dy) / noise).toFixed(2)} long`;
  }
}

// How likely each class is the one that the cross came from, at a level.
export function oddsAt(scene, lambda) {
  const sums = new Array(scene.mixture.classCount).fill(0);
  scene.mixture.weigh(scene.probe[0], scene.probe[1], levelOf(lambda));
  scene.data.classes.forEach((kind, k) => { sums[kind] += scene.mixture.odds[k]; });
  return sums;
}
