import type { GraphLinear, GraphParts } from '../describe.ts';
import type { GraphView } from '../view.ts';
import { followOrder } from './follow.ts';
import { graphFacts, type GraphFacts, type TensorAxis } from './graph-facts.ts';
import { identityOf } from './order.ts';
import type { OrderedValue } from './rules.ts';

/** Channels that may change places among themselves, `length` of them behind each start, alike behind all. */
export interface ReachSpan {
  readonly starts: readonly number[];
  readonly length: number;
}

/** Spans of one matrix at most: a Concat of more inputs has the others left as they are. */
const MAX_SPANS = 64;

/** The value whose channels are the inputs of a matrix, and how many these are; undefined where they are no channels of one. */
export function inputOf(
  { taps }: Pick<GraphParts, 'taps'>,
  { tap, cols, inner }: GraphLinear,
): (Omit<OrderedValue, 'order'> & { readonly channels: number }) | undefined {
  const source = taps.find(({ name }) => name === tap)?.source;
  const channels = inner ?? cols;
  if (source?.from === 'rows') return { value: source.value, behind: 0, channels };
  // Of one channel the inputs are positions.
  if (source?.from !== 'windows' || source.parts !== 1 || inner === undefined) return undefined;
  return { value: source.value, behind: source.kernel.length, channels };
}

/** The axis of its tensor along which the inputs of a matrix lie. */
export function inputAxis(
  facts: Pick<GraphFacts, 'axesOfTensor'>,
  { taps }: Pick<GraphParts, 'taps'>,
  { tap, place: { tensor, innerStride } }: GraphLinear,
): TensorAxis {
  if (taps.find(({ name }) => name === tap)?.source.from === 'windows') return { tensor, axis: 1 };
  // Of an LSTM directions and gates lie before.
  return { tensor, axis: innerStride === 1 ? facts.axesOfTensor(tensor) - 1 : 0 };
}

/**
 * Which channels of a matrix's input may change places so that `foldOrders` can move the order into what makes them, whatever
 * the orders of the other matrices: those of which nothing else that is pruned reads anything. At every position of a kernel alike.
 * @param pruned the names of the matrices that are pruned
 */
export function reachesOf(
  parts: GraphParts,
  view: GraphView,
  pruned: ReadonlySet<string>,
): ReadonlyMap<string, readonly ReachSpan[]> {
  const facts = graphFacts(view);
  const taken = new Map<string, string>();
  for (const linear of parts.linears) {
    if (!pruned.has(linear.name)) continue;
    const { tensor, axis } = inputAxis(facts, parts, linear);
    taken.set(`${tensor}:${axis}`, linear.name);
  }
  const isOthers = (name: string) => (axis: TensorAxis) =>
    (taken.get(`${axis.tensor}:${axis.axis}`) ?? name) !== name;
  return new Map(
    parts.linears
      .filter(({ name }) => pruned.has(name))
      .map((linear) => [linear.name, spansOf(facts, parts, linear, isOthers(linear.name))]),
  );
}

function spansOf(
  facts: GraphFacts,
  parts: GraphParts,
  linear: GraphLinear,
  isTaken: (axis: TensorAxis) => boolean,
): ReachSpan[] {
  const input = inputOf(parts, linear);
  if (input === undefined || Object.keys(parts.branches).length > 0) return [];
  const { channels } = input;
  const positions = linear.cols / channels;
  const found: ReachSpan[] = [];
  const waiting = [{ from: 0, to: channels }];
  for (let tried = 0; tried < MAX_SPANS; tried++) {
    const span = waiting.shift();
    if (span === undefined) break;
    const { from, to } = span;
    if (to - from < 2) continue;
    // What can be turned round can be put in any order: only which channels leave which parts counts.
    const order = identityOf(channels);
    order.set(order.slice(from, to).reverse(), from);
    const followed = followOrder(facts, { ...input, order });
    if ('why' in followed) {
      if (followed.why === 'crosses') waiting.push(...pieces(span, followed.sizes ?? [], channels));
      continue;
    }
    const own = inputAxis(facts, parts, linear);
    const isOwn = followed.axes.some(({ tensor, axis }) => tensor === own.tensor && axis === own.axis);
    if (!isOwn || followed.axes.some(isTaken)) continue;
    const starts = Array.from({ length: positions }, (_, position) => position * channels + from);
    found.push({ starts, length: to - from });
  }
  return found;
}

/** A span, cut where parts meet; nothing where that leaves it whole. */
function pieces(
  { from, to }: { readonly from: number; readonly to: number },
  sizes: readonly number[],
  channels: number,
): { readonly from: number; readonly to: number }[] {
  const sum = sizes.reduce((total, size) => total + size, 0);
  // The parts are those of the whole, or of the span alone.
  if (sum !== channels && sum !== to - from) return [];
  const cuts = [from];
  let at = sum === channels ? 0 : from;
  for (const size of sizes) {
    at += size;
    if (at > from && at < to) cuts.push(at);
  }
  if (cuts.length === 1) return [];
  return cuts.map((cut, i) => ({ from: cut, to: cuts[i + 1] ?? to }));
}
