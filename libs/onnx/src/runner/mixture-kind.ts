import {
  BLOCK_INPUT,
  BLOCK_OUTPUT,
  describeExpert,
  ofKind,
  type TapOutput,
  type TapSpec,
} from '@esparse/model';
import type { Value } from '../device/session.ts';
import { readExpertParameters } from './block-parameters.ts';
import type { BlockKind, BlockKindOptions, HeldBlock } from './block-kind.ts';
import type { MixtureParts } from './mixture-parts.ts';
import { lazySession, type LazySession } from './part-session.ts';

/**
 * Blocks whose MLP is a mixture of experts. The tokens of a sequence are sorted to their experts; then each expert is read,
 * run over its tokens, and dropped before the next is read. Sequences wait for each other, so that there is never a second.
 */
export function mixtureKind(options: BlockKindOptions, parts: MixtureParts): BlockKind {
  const { description, kind, seqlen, device, threads } = options;
  const { op, before, expert, after, carried } = parts;
  const specs = ofKind(description.taps, kind);
  const outside = specs.filter((tap) => tap.expert === undefined).map(({ name }) => name);
  const routed = [op.input, op.routing];
  const unique = (values: readonly string[]) => [...new Set(values)];
  const session = (values: readonly string[], part: typeof before, rows: number | 'tokens') =>
    lazySession({ part, rows, values, device, threads });
  const ofDescription = describeExpert(description, 0);
  const inner = ofKind(ofDescription.taps, kind).map(({ name }) => name);
  /** The taps of each expert, and what its program calls them. */
  const ofExpert = Array.from({ length: op.experts }, (_, number) =>
    specs.filter((tap) => tap.expert === number).map((tap, i) => ({ tap, short: inner[i]! })),
  );
  const sessions = {
    taps: session(unique([...outside, ...routed]), before, seqlen),
    route: session([op.routing], before, seqlen),
    enter: session(unique([...carried, ...routed].filter((value) => value !== BLOCK_INPUT)), before, seqlen),
    expertTaps: session(
      inner.filter((name) => name !== op.input),
      expert,
      'tokens',
    ),
    expert: session([op.output], expert, 'tokens'),
    leave: session([BLOCK_OUTPUT], after, seqlen),
  };
  const inTurn = createTurns();

  /** Runs one expert over some rows of its input. */
  const runExpert = async (
    which: LazySession,
    number: number,
    rows: Float32Array,
    { block, weights, signal }: HeldBlock,
  ): Promise<ReadonlyMap<string, Value>> => {
    const own = describeExpert(description, number);
    const parameters = await readExpertParameters(own, block, weights, which.slots, signal);
    const shape = [rows.length / description.hidden, description.hidden];
    return which.run(new Map([[op.input, { data: rows, shape }]]), parameters);
  };

  return {
    taps: (hidden, held, { taps = [], allTokens = false, routedBy } = {}) =>
      inTurn(async () => {
        const wanted = new Set(taps);
        const isWanted = ({ name }: TapSpec) => wanted.size === 0 || wanted.has(name);
        const values = await sessions.taps.run(new Map([[BLOCK_INPUT, hidden]]), held.parameters);
        const outputs = new Map<string, TapOutput>();
        const add = ({ name, channels }: TapSpec, rows: number, data: Float32Array) =>
          outputs.set(name, { tap: name, rows, channels, data });
        for (const tap of specs) {
          if (tap.expert === undefined && isWanted(tap)) add(tap, seqlen, values.get(tap.name)!.data);
        }
        const input = values.get(op.input)!.data;
        const others =
          routedBy === undefined
            ? values
            : await sessions.route.run(
                new Map([[BLOCK_INPUT, { data: routedBy, shape: hidden.shape }]]),
                held.parameters,
              );
        const routing = others.get(op.routing)!.data;
        for (const [number, all] of ofExpert.entries()) {
          const own = all.filter(({ tap }) => isWanted(tap));
          if (own.length === 0) continue;
          const tokens = allTokens ? allOf(seqlen) : tokensOf(routing, op.experts, number);
          const rows = gathered(input, description.hidden, tokens);
          const further = own.filter(({ short }) => short !== op.input);
          const found =
            further.length === 0 || tokens.length === 0
              ? new Map<string, Value>()
              : await runExpert(sessions.expertTaps, number, rows, held);
          for (const { tap, short } of own) {
            const data = short === op.input ? rows : found.get(short)?.data;
            add(tap, tokens.length, data ?? new Float32Array(0));
          }
        }
        return [...outputs.values()];
      }),

    advance: (hidden, held) =>
      inTurn(async () => {
        const values = await sessions.enter.run(new Map([[BLOCK_INPUT, hidden]]), held.parameters);
        const input = values.get(op.input)!.data;
        const routing = values.get(op.routing)!.data;
        const sum = new Float32Array(input.length);
        for (let number = 0; number < op.experts; number++) {
          const tokens = tokensOf(routing, op.experts, number);
          if (tokens.length === 0) continue;
          const rows = gathered(input, description.hidden, tokens);
          const found = await runExpert(sessions.expert, number, rows, held);
          const shares = tokens.map((token) => routing[token * op.experts + number]!);
          addScaled(sum, found.get(op.output)!.data, tokens, shares);
        }
        const given = new Map(
          carried.map((name) => [name, name === BLOCK_INPUT ? hidden : values.get(name)!]),
        );
        given.set(op.output, { data: sum, shape: [seqlen, description.hidden] });
        return (await sessions.leave.run(given, held.parameters)).get(BLOCK_OUTPUT)!.data;
      }),

    async release() {
      await Promise.all(Object.values(sessions).map((each) => each.release()));
    },
  };
}

/** The tokens that are routed to an expert, in their order. */
function tokensOf(routing: Float32Array, experts: number, expert: number): number[] {
  return allOf(routing.length / experts).filter((token) => routing[token * experts + expert]! > 0);
}

function allOf(tokens: number): number[] {
  return Array.from({ length: tokens }, (_, token) => token);
}

/** Some rows of a matrix. */
function gathered(matrix: Float32Array, channels: number, rows: readonly number[]): Float32Array {
  const found = new Float32Array(rows.length * channels);
  for (const [i, row] of rows.entries()) {
    found.set(matrix.subarray(row * channels, (row + 1) * channels), i * channels);
  }
  return found;
}

/** Adds the rows of an expert's output to those of its tokens, each with its share. */
function addScaled(
  sum: Float32Array,
  output: Float32Array,
  tokens: readonly number[],
  shares: readonly number[],
): void {
  const channels = output.length / tokens.length;
  for (const [i, token] of tokens.entries()) {
    const share = shares[i]!;
    for (let c = 0; c < channels; c++) sum[token * channels + c]! += share * output[i * channels + c]!;
  }
}

/** Runs what it is given one after the other. */
function createTurns(): <T>(work: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve();
  return (work) => {
    const next = last.then(work, work);
    last = next;
    return next;
  };
}
