import { execFileSync, spawnSync } from 'node:child_process';
import path from 'node:path';
import fc from 'fast-check';
import { choiceBytes, readReport, type TokenChoice } from '@esparse/cuda';
import { createSampler, topLogprobs, type SamplingParams } from '@esparse/engine';
import { scratchFolder } from '../support/folders.ts';
import { REPOSITORY } from '../support/repository.ts';

/**
 * The kernels that choose tokens, from their own source on the processor, against the sampler of the engine. They need a
 * C++ compiler only.
 */
const scratch = scratchFolder();
const STEPS = 6;
const LEFT_TO_HOST = -2;

beforeAll(() => {
  const sources = ['choice.cc', 'threads.cc'].map((name) =>
    path.join(REPOSITORY, 'libs/cuda/emulation', name),
  );
  const flags = ['-std=c++17', '-O2', '-Wall', '-Wextra', '-Werror', '-Wno-unknown-pragmas'];
  execFileSync(process.env.CXX ?? 'g++', [...flags, '-o', scratch('choice'), ...sources]);
});

interface Row {
  readonly sampling: SamplingParams;
  readonly logits: Float32Array;
  readonly prompt: readonly number[];
}

/** Tokens of every row, and what was reported of them, each step with the same logits. */
function onDevice(rows: readonly Row[], steps: number) {
  const vocab = rows[0]!.logits.length;
  const mostHistory = Math.max(...rows.map(({ prompt }) => prompt.length)) + steps;
  const choices = rows.map(({ sampling, prompt }): TokenChoice => {
    const tokens = Uint32Array.from(prompt);
    return {
      temperature: sampling.temperature ?? 0,
      topK: sampling.topK ?? 0,
      topP: sampling.topP ?? 1,
      minP: sampling.minP ?? 0,
      repetitionPenalty: sampling.repetitionPenalty ?? 1,
      frequencyPenalty: sampling.frequencyPenalty ?? 0,
      presencePenalty: sampling.presencePenalty ?? 0,
      random: createSampler(sampling).random?.state() ?? [0, 0, 0, 0],
      reports: sampling.logprobs !== undefined,
      history: { tokens, promptTokens: tokens.length },
    };
  });
  const history = new Int32Array(rows.length * mostHistory);
  rows.forEach(({ prompt }, row) => {
    history.set(prompt, row * mostHistory);
  });
  const input = Buffer.concat([
    new Uint8Array(Int32Array.of(rows.length, vocab, mostHistory, steps, 1).buffer),
    choiceBytes(choices),
    new Uint8Array(history.buffer),
    ...rows.map(({ logits }) => new Uint8Array(logits.buffer)),
  ]);
  const { status, stdout, stderr } = spawnSync(scratch('choice'), [], { input, maxBuffer: 1 << 28 });
  expect([status, stderr.toString()]).toEqual([0, '']);
  const reportBytes = (stdout.length / steps - 4 * rows.length) / rows.length;
  return Array.from({ length: steps }, (_, step) => {
    const at = step * (rows.length * (4 + reportBytes));
    const view = new DataView(stdout.buffer, stdout.byteOffset + at);
    const reports = stdout.subarray(at + 4 * rows.length);
    return rows.map(({ sampling: { logprobs } }, row) => ({
      token: view.getInt32(4 * row, true),
      report: logprobs === undefined ? undefined : readReport(reports, row, logprobs),
    }));
  });
}

/** The same by the engine's sampler; -1 where it throws. */
function onProcessor({ sampling, logits, prompt }: Row, steps: number) {
  const sampler = createSampler(sampling);
  const tokens = [...prompt];
  return Array.from({ length: steps }, () => {
    try {
      const history = { tokens: Uint32Array.from(tokens), promptTokens: prompt.length };
      const token = sampler.sample(logits, history);
      tokens.push(token);
      const { logprobs } = sampling;
      return { token, report: logprobs === undefined ? undefined : topLogprobs(logits, token, logprobs) };
    } catch {
      return { token: -1, report: undefined };
    }
  });
}

const LEFT = { left: 0, all: 0 };
function expectTheSame(rows: readonly Row[], steps = STEPS) {
  const got = onDevice(rows, steps);
  for (const [i, row] of rows.entries()) {
    for (const [step, { token, report }] of onProcessor(row, steps).entries()) {
      const { token: chosen, report: told } = got[step]![i]!;
      LEFT.all++;
      if (chosen === LEFT_TO_HOST) {
        // The processor chooses it then; what follows it is not compared.
        LEFT.left++;
        break;
      }
      expect([row.sampling, step, chosen]).toEqual([row.sampling, step, token]);
      if (token < 0 || report === undefined) continue;
      expect(told!.ids).toEqual(report.ids);
      expect(told!.logprob).toBeCloseTo(report.logprob, 7);
      report.logprobs.forEach((value, k) => {
        expect(told!.logprobs[k]).toBeCloseTo(value, 7);
      });
    }
  }
}

/** Logits as models give them: some far above most, ties, impossible tokens. */
function logitsOf(vocab: number, seed: number, spread: number): Float32Array {
  let state = (seed + 1) * 2654435761;
  const next = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  return Float32Array.from({ length: vocab }, () => {
    const kind = next();
    if (kind < 0.05) return -Infinity;
    if (kind < 0.15) return Math.round(next() * 4) - 2;
    return spread * (next() + next() + next() - 1.5);
  });
}

const sampling = fc.record(
  {
    temperature: fc.constantFrom(0, 0.01, 0.3, 0.7, 1, 1.3, 2),
    topK: fc.constantFrom(-1, 0, 1, 2, 7, 40, 500, 5000),
    topP: fc.constantFrom(0.01, 0.3, 0.9, 0.999, 1),
    minP: fc.constantFrom(0, 0.001, 0.1, 0.5, 1),
    repetitionPenalty: fc.constantFrom(0.7, 1, 1.3, 2),
    frequencyPenalty: fc.constantFrom(-0.5, 0, 0.3, 2),
    presencePenalty: fc.constantFrom(-1, 0, 0.4),
    seed: fc.integer({ min: -(2 ** 40), max: 2 ** 40 }),
    logprobs: fc.constantFrom(undefined, 0, 1, 20),
  },
  { requiredKeys: ['temperature', 'seed'] },
);

test('every step chooses the token of the engine’s sampler, and reports its probabilities', () => {
  const row = (vocab: number) =>
    fc.record({
      sampling,
      logits: fc
        .tuple(fc.nat(1000), fc.constantFrom(0.5, 4, 30))
        .map(([seed, spread]) => logitsOf(vocab, seed, spread)),
      prompt: fc.array(fc.nat(vocab - 1), { minLength: 1, maxLength: 30 }),
    });
  const rows = fc
    .constantFrom(3, 61, 500, 1024, 3001)
    .chain((vocab) => fc.array(row(vocab), { minLength: 1, maxLength: 5 }));
  fc.assert(
    fc.property(rows, (some) => {
      expectTheSame(some);
    }),
    { seed: 3, numRuns: 25 },
  );
  expect(LEFT.left).toBeLessThan(LEFT.all / 10);
});

test('where thousands of tokens have to be ranked, the processor is left to choose', () => {
  const flat = { logits: new Float32Array(6000), prompt: [0] };
  const of = (options: SamplingParams) =>
    onDevice([{ ...flat, sampling: { temperature: 1, seed: 1, ...options } }], 1);
  expect(of({ topP: 0.5 })[0]![0]!.token).toBe(LEFT_TO_HOST);
  expectTheSame([{ ...flat, sampling: { temperature: 1, seed: 1 } }], 20);
});

test('logits that are not numbers are told', () => {
  for (const bad of [NaN, Infinity]) {
    const logits = logitsOf(1500, 1, 2);
    logits[1200] = bad;
    for (const temperature of [0, 1])
      expectTheSame([{ sampling: { temperature, seed: 1 }, logits, prompt: [1] }], 2);
  }
  const none = new Float32Array(40).fill(-Infinity);
  expectTheSame([{ sampling: { temperature: 1, seed: 1 }, logits: none, prompt: [1] }], 1);
});
