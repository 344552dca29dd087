import { blockStageLaws, type LawfulBlockStage } from './index.ts';

interface Linear {
  readonly name: string;
  weights(): Promise<Uint16Array>;
  kept(): Promise<Uint8Array>;
}
interface Input {
  readonly linears: readonly Linear[];
  readonly tensors: readonly { readonly slot: string; values(): Promise<Float32Array> }[];
  readonly sequences: number;
  states(): AsyncIterable<{ readonly input: Float32Array; readonly dense?: Float32Array }>;
}
interface Context {
  readonly signal: AbortSignal;
  progress(done: number, total: number): void;
  tune(request: object): Promise<Result>;
}
type Result = Awaited<ReturnType<LawfulBlockStage['run']>>;
type Run = (input: Input, context: Context) => Promise<Result>;

const stageOf = (run: Run, states: LawfulBlockStage['states'] = 'both'): LawfulBlockStage => ({
  name: 'mine',
  states,
  run,
});

const first = async (input: Input, change: (weights: Uint16Array) => Uint16Array) => {
  const [linear] = input.linears;
  return { weights: { [linear!.name]: change(await linear!.weights()) } };
};

/** Integers of the first linear, all of one row and span. */
const whole = async (input: Input, scale: number) => {
  const [linear] = input.linears;
  const integers = new Int8Array((await linear!.kept()).length);
  return { integers: { [linear!.name]: { bits: 8, span: 1, integers, scales: Uint16Array.of(scale) } } };
};

test.each<[string, Run]>([
  ['changes nothing', () => Promise.resolve({})],
  ['changes signs', (input) => first(input, (weights) => weights.map((bits) => bits ^ 0x8000))],
  ['makes integers', (input) => whole(input, 0x3f80)],
  ['tunes', (_, { tune }) => tune({ steps: 2 })],
  [
    'reads the states, and changes a norm by them',
    async ({ tensors: [norm], sequences, states }, { progress }) => {
      let sum = 0;
      let read = 0;
      for await (const { input, dense } of states()) {
        sum += input[0]! - dense![0]!;
        progress(++read, sequences);
      }
      return {
        tensors: { [norm!.slot]: (await norm!.values()).map((value) => value + sum) },
        report: { sum },
      };
    },
  ],
])('a block stage that keeps the laws passes: one that %s', async (_, run) => {
  await blockStageLaws(stageOf(run));
});

let calls = 0;

test.each<[string, Run]>([
  ['weights for', (input) => first(input, (weights) => weights.slice(1))],
  ['is not finite', (input) => first(input, (weights) => weights.map((bits) => (bits === 0 ? 0 : 0x7f80)))],
  ['is pruned, and not 0', (input) => first(input, (weights) => weights.fill(0x3f80))],
  ["none of the block's linears", () => Promise.resolve({ weights: { other: new Uint16Array(4) } })],
  ['a tensor other', () => Promise.resolve({ tensors: { other: new Float32Array(4) } })],
  ['scale 0 of linear-0 is zero or not finite', (input) => whole(input, 0x8000)],
  ['elements for norm', () => Promise.resolve({ tensors: { norm: new Float32Array(3) } })],
  ['norm is not finite', () => Promise.resolve({ tensors: { norm: new Float32Array(4).fill(NaN) } })],
  ['of its report is NaN', () => Promise.resolve({ report: { loss: NaN } })],
  ['the same block gives another result', () => Promise.resolve({ report: { calls: calls++ } })],
  [
    'its progress is 5 of 4',
    (_, { progress }) => {
      progress(5, 4);
      return Promise.resolve({});
    },
  ],
  [
    'more steps after it was cancelled',
    (_, { progress }) => {
      for (let step = 1; step <= 10; step++) progress(step, 10);
      return Promise.resolve({});
    },
  ],
])('a block stage that breaks a law is refused: %s', async (law, run) => {
  await expect(blockStageLaws(stageOf(run))).rejects.toThrow(
    expect.objectContaining({ message: expect.stringMatching(new RegExp(`^block stage mine: .*${law}`)) }),
  );
});

test('a block stage that reads states, and said that it needs none, is refused', async () => {
  const reads: Run = async ({ states }) => {
    for await (const { input } of states()) if (input.length === 0) break;
    return {};
  };
  await blockStageLaws(stageOf(reads, 'pruned'));
  await expect(blockStageLaws(stageOf(reads, 'none'))).rejects.toThrow('said that it needs none');
});
