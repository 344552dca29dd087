import { defineStatistic } from './define.ts';
import { damagedState } from './envelope.ts';
import { readerOf, type StatisticReader } from './reader.ts';

/** Tokens of a channel that are kept. */
export const TOP_TOKENS = 5;

/** No token. */
const NONE = -1;

/** The tokens at which each channel is the largest. */
export interface TopTokens {
  /** (channels, TOP_TOKENS): tokens of the calibration by their number, the largest value first; -1 where there were fewer. */
  readonly tokens: Int32Array;
  /** Their values, 0 where there is none. */
  readonly values: Float32Array;
}

interface Held {
  /** (channels, TOP_TOKENS): the tokens, by their numbers, and their values: see `TopTokens`. */
  readonly numbers: Int32Array;
  readonly values: Float32Array;
  /** The least size that is kept of each channel, (channels): most values are below it, and compared with nothing else. */
  readonly least: Float32Array;
}

/**
 * The five tokens at which each channel is the largest, by the absolute value, of equal ones the earlier token: what depends on
 * the rows alone, in any order. Rows whose tokens are not known, those of an expert, are passed over.
 */
export const topTokens = defineStatistic<Held>({
  name: 'top-tokens',
  parameters: { tokens: TOP_TOKENS },
  create: (channels) => ({
    numbers: new Int32Array(channels * TOP_TOKENS).fill(NONE),
    values: new Float32Array(channels * TOP_TOKENS),
    least: new Float32Array(channels).fill(NONE),
  }),
  update(state, { data, rows, channels, firstToken }) {
    if (firstToken === undefined) return;
    const { least } = state;
    for (let row = 0, at = 0; row < rows; row++) {
      for (let c = 0; c < channels; c++, at++) {
        const value = data[at]!;
        if ((value < 0 ? -value : value) >= least[c]!) insert(state, c, value, firstToken + row);
      }
    }
  },
  merge(into, from) {
    from.numbers.forEach((token, i) => {
      if (token !== NONE) insert(into, Math.floor(i / TOP_TOKENS), from.values[i]!, token);
    });
  },
  serialise({ numbers, values }) {
    const body = new Uint8Array(8 * numbers.length);
    const view = new DataView(body.buffer);
    numbers.forEach((token, i) => {
      view.setInt32(8 * i, token, true);
      view.setFloat32(8 * i + 4, values[i]!, true);
    });
    return body;
  },
  deserialise(bytes, channels, tokens) {
    const entries = channels * TOP_TOKENS;
    if (bytes.length !== 8 * entries)
      throw damagedState('top-tokens', `${bytes.length} bytes do not fit ${channels} channels`);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const held: Held = {
      numbers: Int32Array.from({ length: entries }, (_, i) => view.getInt32(8 * i, true)),
      values: Float32Array.from({ length: entries }, (_, i) => view.getFloat32(8 * i + 4, true)),
      least: new Float32Array(channels),
    };
    for (let c = 0; c < channels; c++) {
      const kept = Array.from({ length: TOP_TOKENS }, (_, k) => c * TOP_TOKENS + k);
      const isSound = kept.every((i, k) => {
        const [token, value] = [held.numbers[i]!, held.values[i]!];
        if (token === NONE)
          return Object.is(value, 0) && kept.slice(k).every((j) => held.numbers[j] === NONE);
        return token >= 0 && Number.isFinite(value) && (k === 0 || comesBefore(held, i - 1, value, token));
      });
      if (!isSound || (tokens === 0 && held.numbers[kept[0]!] !== NONE))
        throw damagedState('top-tokens', `the tokens of channel ${c} are out of order`);
      held.least[c] = leastOf(held, c);
    }
    return held;
  },
  cost: ({ channels }) => ({ bytes: channels * (8 * TOP_TOKENS + 4) }),
});

/** The tokens and their values. */
export const channelTopTokens: StatisticReader<TopTokens> = readerOf(topTokens, ({ numbers, values }) => ({
  tokens: numbers.slice(),
  values: values.slice(),
}));

/** Whether what is kept at `i` comes before another value and its token. */
function comesBefore({ values, numbers }: Held, i: number, value: number, token: number): boolean {
  if (numbers[i] === NONE) return false;
  const [kept, size] = [Math.abs(values[i]!), Math.abs(value)];
  return kept > size || (kept === size && numbers[i]! < token);
}

/** Puts a value where it belongs among those of its channel, if it does. */
function insert(held: Held, c: number, value: number, token: number): void {
  const first = c * TOP_TOKENS;
  let at = first + TOP_TOKENS;
  while (at > first && !comesBefore(held, at - 1, value, token)) at--;
  if (at === first + TOP_TOKENS) return;
  held.values.copyWithin(at + 1, at, first + TOP_TOKENS - 1);
  held.numbers.copyWithin(at + 1, at, first + TOP_TOKENS - 1);
  // Zero has one form.
  held.values[at] = value === 0 ? 0 : value;
  held.numbers[at] = token;
  held.least[c] = leastOf(held, c);
}

/** The size that a value must reach to be kept. */
function leastOf({ numbers, values }: Held, c: number): number {
  const last = c * TOP_TOKENS + TOP_TOKENS - 1;
  return numbers[last] === NONE ? NONE : Math.abs(values[last]!);
}
