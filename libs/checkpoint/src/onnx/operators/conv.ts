import { intOf, intsOf, wordOf } from '../messages.ts';
import { NOT_CONSTANT, type NodeLinear, type Operator, type TapSource } from './operator.ts';

/** Groups of a convolution that are linears of their own at most: more are as good as depthwise. */
const MAX_GROUPS = 64;

/** Conv: a linear for each of its groups, whose inputs are kernel position x channel. */
export const conv: Operator = (node, { constantOf }) => {
  const [input = '', weight = ''] = node.input;
  const found = constantOf(weight);
  if (found === undefined) return NOT_CONSTANT;
  const [outputs = 0, channels = 0, ...kernel] = found.shape;
  const groups = intOf(node, 'group', 1);
  if (kernel.length === 0 || channels === 0 || outputs % groups !== 0)
    return 'its weights have an unknown shape';
  if (channels === 1 && groups > 1) return 'it is depthwise: each output has one input channel';
  if (groups > MAX_GROUPS) return `it has ${groups} groups, more than ${MAX_GROUPS}`;
  const pads = padsOf(wordOf(node, 'auto_pad', 'NOTSET'), intsOf(node, 'pads'), kernel.length);
  if (pads === undefined) return 'its padding is unknown';
  const ones = kernel.map(() => 1);
  const window = {
    ...{ kernel, pads, parts: groups },
    strides: intsOf(node, 'strides') ?? ones,
    dilations: intsOf(node, 'dilations') ?? ones,
  };
  const positions = kernel.reduce((product, size) => product * size, 1);
  const rows = outputs / groups;
  return Array.from({ length: groups }, (_, part): NodeLinear => ({
    suffix: groups === 1 ? '' : `.group${part}`,
    rows,
    cols: channels * positions,
    // Of one channel, as of sound, the inputs are the positions.
    ...(channels > 1 && { inner: channels }),
    source: { from: 'windows', value: input, part, ...window },
    place: {
      tensor: found.tensor,
      base: part * rows * channels * positions,
      rowStride: channels * positions,
      inner: channels,
      innerStride: positions,
      outerStride: 1,
    },
    facts: found,
  }));
};

function padsOf(
  auto: string,
  pads: number[] | undefined,
  axes: number,
): (TapSource & { from: 'windows' })['pads'] | undefined {
  if (auto === 'SAME_UPPER' || auto === 'SAME_LOWER') return auto;
  if (auto !== 'NOTSET' && auto !== 'VALID' && auto !== '') return undefined;
  return auto === 'VALID' || pads === undefined ? new Array<number>(2 * axes).fill(0) : pads;
}
