// The decoder of lab/models/bottleneck.py in the page: a code becomes a picture at once, without a request.
//
//   const weights = await load(address);               // fetched once, however many ask; addresses are weights.py's
//   const values = decode(weights, [0.3, -1.2]);       // Float32Array (3 * side * side), channels first as torch's, roughly in [-1, 1]
//   paint(canvas, values);                             // as pixels; the canvas takes the picture's side
//
// A transposed convolution of 4 x 4, stride 2, padding 1 is, for each parity of the output's row and column, a convolution of 2 x 2:
// every output value is the dot product of two runs of memory with two others, once pixels lie with their channels together.

const fetched = new Map(); // address -> promise of weights

export function load(address) {
  if (!fetched.has(address)) {
    const found = fetch(new URL(address, document.baseURI)).then(async (answer) => {
      if (!answer.ok) throw new Error(`the weights of a decoder did not come: ${answer.status}`);
      return read(await answer.arrayBuffer());
    });
    found.catch(() => fetched.delete(address)); // the next one asks again
    fetched.set(address, found);
  }
  return fetched.get(address);
}

// The weights in a file of safetensors in float16, laid out for `decode`.
export function read(buffer) {
  const length = Number(new DataView(buffer).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 8, length)));
  const tensor = (name) => {
    const { shape, data_offsets: [from, to], dtype } = header[name];
    if (dtype !== 'F16') throw new Error(`${name} is ${dtype}, not F16`);
    return { shape, values: widen(new Uint16Array(buffer, 8 + length + from, (to - from) / 2)) };
  };
  const linear = (name) => {
    const { shape: [outputs, inputs], values } = tensor(`${name}.weight`);
    return { outputs, inputs, weight: values, bias: tensor(`${name}.bias`).values };
  };
  const fromCode = linear('from_code'), toMap = linear('to_map'), up = [];
  for (let k = 0; `up.${k}.weight` in header; k += 1) up.push(convolution(tensor(`up.${k}.weight`), tensor(`up.${k}.bias`).values));
  let side = Math.sqrt(toMap.outputs / up[0].inputs);
  for (const layer of up) {
    Object.assign(layer, { side, padded: new Float32Array((side + 2) ** 2 * layer.inputs) }); // a rim of zeros
    side *= 2;
  }
  return {
    latents: fromCode.inputs, side, fromCode, toMap, up,
    hidden: new Float32Array(fromCode.outputs), map: new Float32Array(toMap.outputs),
  };
}

// The mean of p(x | z) of a code of `weights.latents` numbers, into `out` where it is given.
export function decode(weights, code, out = new Float32Array(3 * weights.side ** 2)) {
  const { fromCode, toMap, hidden, map, up } = weights;
  silu(multiply(fromCode, code, hidden));
  silu(multiply(toMap, hidden, map));
  const first = up[0], area = first.side ** 2;
  for (let c = 0; c < first.inputs; c += 1) {
    for (let at = 0; at < area; at += 1) first.padded[inside(first, at) + c] = map[c * area + at];
  }
  for (let k = 0; k < up.length; k += 1) convolve(up[k], up[k + 1], out);
  return out;
}

// Values in [-1, 1] as the canvas's pixels.
export function paint(canvas, values) {
  const area = values.length / 3, side = Math.sqrt(area);
  if (canvas.width !== side || canvas.height !== side) Object.assign(canvas, { width: side, height: side });
  const context = canvas.getContext('2d'), image = context.createImageData(side, side);
  for (let at = 0; at < area; at += 1) {
    for (let c = 0; c < 3; c += 1) image.data[4 * at + c] = 127.5 * (values[c * area + at] + 1); // clamps and rounds
    image.data[4 * at + 3] = 255;
  }
  context.putImageData(image, 0, 0);
}

// float16 as float32.
function widen(halves) {
  const wide = new Float32Array(halves.length);
  for (let i = 0; i < halves.length; i += 1) {
    const half = halves[i], exponent = (half >> 10) & 31, fraction = half & 1023, sign = half & 0x8000 ? -1 : 1;
    wide[i] = sign * (exponent ? (1 + fraction / 1024) * 2 ** (exponent - 15) : fraction * 2 ** -24);
  }
  return wide;
}

// Where the channels of input pixel `at` begin within its rim.
const inside = ({ side, inputs }, at) => ((Math.floor(at / side) + 1) * (side + 2) + (at % side) + 1) * inputs;

// Weights (inputs, outputs, 4, 4) by the parity of row and column: of each output the taps of the upper row, left and right, then those
// of the lower one, channels together.
function convolution({ shape: [inputs, outputs], values }, bias) {
  const taps = [[3, 1], [2, 0]]; // by parity: of an output's row those that meet its nearer input rows, the upper first
  const weight = new Float32Array(values.length);
  let at = 0;
  for (const rows of taps) {
    for (const columns of taps) {
      for (let o = 0; o < outputs; o += 1) {
        for (const y of rows) {
          for (const x of columns) {
            for (let i = 0; i < inputs; i += 1, at += 1) weight[at] = values[((i * outputs + o) * 4 + y) * 4 + x];
          }
        }
      }
    }
  }
  return { inputs, outputs, weight, bias };
}

// One layer's output: with SiLU into the next one's input, or channels first into `out` where it is the last.
function convolve({ side, inputs, outputs, weight, bias, padded }, next, out) {
  const run = 2 * inputs, row = (side + 2) * inputs, wide = 2 * side;
  for (let y = 0; y < wide; y += 1) {
    const above = ((y + 1) >> 1) * row; // the upper of the two input rows, in its rim
    for (let x = 0; x < wide; x += 1) {
      const upper = above + ((x + 1) >> 1) * inputs, lower = upper + row;
      let at = ((y & 1) * 2 + (x & 1)) * outputs * 2 * run;
      for (let o = 0; o < outputs; o += 1) {
        let left = bias[o], right = 0; // two sums, so that additions need not wait for each other
        for (let i = 0; i < run; i += 1) {
          left += weight[at + i] * padded[upper + i];
          right += weight[at + run + i] * padded[lower + i];
        }
        at += 2 * run;
        const sum = left + right;
        if (next) next.padded[((y + 1) * (wide + 2) + x + 1) * outputs + o] = sum / (1 + Math.exp(-sum));
        else out[(o * wide + y) * wide + x] = sum;
      }
    }
  }
}

function multiply({ outputs, inputs, weight, bias }, vector, product) {
  for (let o = 0; o < outputs; o += 1) {
    let sum = bias[o];
    for (let i = 0, at = o * inputs; i < inputs; i += 1, at += 1) sum += weight[at] * vector[i];
    product[o] = sum;
  }
  return product;
}

function silu(values) {
  for (let i = 0; i < values.length; i += 1) values[i] /= 1 + Math.exp(-values[i]);
}
