import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { openEngine } from '@esparse/engine';
import { relativeError } from '@esparse/laws';
import {
  describeModel,
  familyNamed,
  registerFamily,
  tensorsOfBlock,
  type ModelDescription,
  type ModelFamily,
} from '@esparse/model';
import { storeWeights } from '@esparse/model-store';
import { createBlockRunner, embedTokens, sequenceLogits } from '@esparse/onnx';
import { openStore } from '@esparse/store';
import { writeRandomRun } from './random-run.ts';

export interface FamilyLawOptions {
  /** Tokens of the sequence whose logits are compared. @default 12 */
  readonly tokens?: number;
  /** The largest difference of two logits, relative to the largest logit. @default 1e-4 */
  readonly tolerance?: number;
  /** The same seed draws the same weights. @default 0 */
  readonly seed?: number;
}

/**
 * Checks the laws of a model family on a small model with random weights: its description holds together and is the same
 * each time, no two tensors have one name, its taps have the channels that it says, and both runtimes make the same logits
 * of it, whole and token by token. A family that is not known yet is made known to this process.
 *
 * @param config config.json of a small model: a few blocks of some tens of channels
 * @throws Error that names the family and the law that it breaks; EsparseError where the description is refused
 * @example
 * await familyLaws(mine, { architectures: ['MineForCausalLM'], hidden_size: 32, num_hidden_layers: 2, … });
 */
export async function familyLaws(
  family: ModelFamily,
  config: Readonly<Record<string, unknown>>,
  { tokens: count = 12, tolerance = 1e-4, seed = 0 }: FamilyLawOptions = {},
): Promise<void> {
  const must = (holds: boolean, law: string) => {
    if (!holds) throw new Error(`model family ${family.name}: ${law}`);
  };
  if (familyNamed(family.name) !== family) registerFamily(family);
  const description = describeModel(config);
  must(description.family === family.name, `config.json is described by the family ${description.family}`);
  must(
    isDeepStrictEqual(data(description), data(describeModel(config))),
    'its description is another each time',
  );
  const names = tensorNames(description);
  const twice = names.find((name, i) => names.indexOf(name) < i);
  must(twice === undefined, `two of its tensors are called ${twice}`);

  const folder = await mkdtemp(path.join(tmpdir(), 'esparse-family-'));
  try {
    await writeRandomRun(folder, config, seed);
    const tokens = Uint32Array.from(
      { length: count },
      (_, i) => (i * 31 + 7 * ((i * i) % 11)) % description.vocab,
    );
    const weights = storeWeights(await (await openStore(folder)).openRun(), description);

    const runner = await createBlockRunner(description, { seqlen: count });
    const block = await runner.load(0, weights);
    for (const { tap, rows, data: values } of await block.taps(
      await embedTokens(description, weights, tokens, count),
    )) {
      const { channels, expert } = description.taps.find(({ name }) => name === tap)!;
      must(expert !== undefined || rows === count, `the tap ${tap} has not ${count} rows`);
      must(values.length === rows * channels, `the tap ${tap} has not ${channels} channels`);
      must(values.every(Number.isFinite), `the tap ${tap} is not finite`);
    }
    await runner.release();

    const onnx = await sequenceLogits(description, weights, tokens);
    const native = await engineLogits(folder, tokens, description.vocab);
    const error = relativeError(native, onnx);
    must(error < tolerance, `the logits of the engine and of ONNX Runtime differ by ${error} of the largest`);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** A description without its functions: two of the same model are equal. */
function data(description: ModelDescription): unknown {
  return JSON.parse(JSON.stringify({ ...description, tensors: tensorNames(description) }));
}

function tensorNames(description: ModelDescription): string[] {
  const blocks = Array.from({ length: description.blocks }, (_, block) => tensorsOfBlock(description, block));
  return [...description.outerTensors, ...blocks.flat()].map(({ name }) => name);
}

/** The logits of each token, the first half read at once and the others one by one. */
async function engineLogits(store: string, tokens: Uint32Array, vocab: number): Promise<Float32Array> {
  const engine = await openEngine({ store, kvBytes: 16 << 20 });
  try {
    const sequence = engine.reserve(tokens.length)!;
    const logits = new Float32Array(tokens.length * vocab);
    const half = Math.ceil(tokens.length / 2);
    for (let at = 0; at < tokens.length; at += at === 0 ? half : 1) {
      const part = {
        sequence,
        tokens: tokens.slice(at, at === 0 ? half : at + 1),
        want: 'allLogits',
      } as const;
      const [found] = await engine.step([part]);
      logits.set(found, at * vocab);
    }
    return logits;
  } finally {
    await engine.close();
  }
}
