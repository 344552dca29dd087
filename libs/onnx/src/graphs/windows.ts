import type { TapSource } from '@esparse/checkpoint';
import { EsparseError } from '@esparse/errors';

type Windows = Extract<TapSource, { readonly from: 'windows' }>;

/** A matrix of activations. */
export interface TapRows {
  readonly rows: number;
  readonly channels: number;
  readonly data: Float32Array;
}

/** Largest matrix of one sample: 2 GiB. */
const MAX_ELEMENTS = 2 ** 29;

/**
 * What each position of a convolution's output is made of: a row for each of batch x positions, (kernel position x channel),
 * channels last. Beyond the edges there are zeros, as the convolution pads.
 * @param data (batch, channels, positions...), row-major
 */
export function windowsOf(data: Float32Array, shape: readonly number[], source: Windows): TapRows {
  const [batch = 0, all = 0, ...sizes] = shape;
  const { kernel, parts, part, strides, dilations } = source;
  if (sizes.length !== kernel.length || all % parts !== 0) {
    throw new EsparseError(
      'unsupported',
      `value '${source.value}' is [${shape.join()}], and no input of a convolution of ${kernel.join(' x ')}`,
    );
  }
  const each = all / parts;
  const space = product(sizes);
  const axes = sizes.map((size, i) =>
    axisOf(size, kernel[i]!, strides[i] ?? 1, dilations[i] ?? 1, padsOf(source, i)),
  );
  const positions = product(axes.map(({ out }) => out));
  const taps = product(kernel);
  const channels = taps * each;
  const rows = batch * positions;
  if (rows * channels > MAX_ELEMENTS) {
    throw new EsparseError(
      'unsupported',
      `${rows} x ${channels} inputs of a convolution are more than can be held`,
      {
        hint: 'calibrate on smaller samples: those of a smaller size teach a convolution the same',
      },
    );
  }
  const out = new Float32Array(rows * channels);
  const last = new Float32Array(space * each);
  const places = placesOf(axes, kernel, sizes);
  for (let item = 0; item < batch; item++) {
    const first = (item * all + part * each) * space;
    for (let channel = 0; channel < each; channel++) {
      const from = first + channel * space;
      for (let at = 0; at < space; at++) last[at * each + channel] = data[from + at]!;
    }
    let to = item * positions * channels;
    for (const place of places) {
      if (place >= 0) {
        const from = place * each;
        for (let channel = 0; channel < each; channel++) out[to + channel] = last[from + channel]!;
      }
      to += each;
    }
  }
  return { rows, channels, data: out };
}

/** How a kernel goes along an axis. */
interface Axis {
  readonly out: number;
  readonly stride: number;
  readonly dilation: number;
  /** Zeros before the first. */
  readonly before: number;
}

function axisOf(
  size: number,
  kernel: number,
  stride: number,
  dilation: number,
  pads: readonly [number, number] | 'SAME_UPPER' | 'SAME_LOWER',
): Axis {
  const reach = (kernel - 1) * dilation + 1;
  if (typeof pads === 'string') {
    const out = Math.ceil(size / stride);
    const zeros = Math.max(0, (out - 1) * stride + reach - size);
    const before = pads === 'SAME_UPPER' ? Math.floor(zeros / 2) : Math.ceil(zeros / 2);
    return { out, stride, dilation, before };
  }
  const [before, behind] = pads;
  return {
    out: Math.max(0, Math.floor((size + before + behind - reach) / stride) + 1),
    stride,
    dilation,
    before,
  };
}

function padsOf(
  { pads, kernel }: Windows,
  axis: number,
): readonly [number, number] | 'SAME_UPPER' | 'SAME_LOWER' {
  return typeof pads === 'string' ? pads : [pads[axis] ?? 0, pads[axis + kernel.length] ?? 0];
}

/** For each position of the output, and each of the kernel there: the place in the input, -1 beyond its edges. */
function placesOf(axes: readonly Axis[], kernel: readonly number[], sizes: readonly number[]): Int32Array {
  // Axis by axis: the places along it, of (output x kernel), joined with those of the axes before.
  let outs = 1;
  let taps = 1;
  let places = Int32Array.of(0);
  axes.forEach(({ out, stride, dilation, before }, i) => {
    const [steps, size] = [kernel[i]!, sizes[i]!];
    const next = new Int32Array(outs * out * taps * steps);
    let to = 0;
    for (let o = 0; o < outs; o++) {
      for (let at = 0; at < out; at++) {
        for (let t = 0; t < taps; t++) {
          const place = places[o * taps + t]!;
          for (let k = 0; k < steps; k++) {
            const along = at * stride - before + k * dilation;
            next[to++] = place < 0 || along < 0 || along >= size ? -1 : place * size + along;
          }
        }
      }
    }
    places = next;
    outs *= out;
    taps *= steps;
  });
  return places;
}

function product(sizes: readonly number[]): number {
  return sizes.reduce((total, size) => total * size, 1);
}
