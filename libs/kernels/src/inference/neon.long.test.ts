/**
 * The NEON kernels on a processor without them: compiled for ARM and run by an emulator, where both are installed (Debian:
 * g++-aarch64-linux-gnu and qemu-user).
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { uniform } from '@esparse/laws';
import { createReferenceLinear, type LinearWeights } from './linear.ts';
import { packedLayout } from '../runtime/packed-layout.ts';
import { bitsOf, denseCase, packedCase, quantizedCase, randomInputs } from '../testing/linear-cases.ts';

const COMPILER = 'aarch64-linux-gnu-g++';
const EMULATOR = 'qemu-aarch64';
const NATIVE = path.join(import.meta.dirname, '../../native');

const missing = [COMPILER, EMULATOR].filter((tool) => spawnSync(tool, ['--version']).status !== 0);
if (missing.length > 0) {
  process.stderr.write(`WARNING: the NEON kernels are not tested: ${missing.join(' and ')} not found\n`);
}
const testWithTools = missing.length === 0 ? test : test.skip;

const folder = mkdtempSync(path.join(tmpdir(), 'esparse-neon-'));
const harness = path.join(folder, 'apply');
afterAll(() => {
  rmSync(folder, { recursive: true });
});

interface Case {
  readonly weights: LinearWeights;
  readonly x: Float32Array;
  readonly tokens: number;
}

testWithTools.each(['neon', 'portable'])(
  '%s on ARM gives the bits of the reference',
  (set) => {
    compile();
    const cases = someCases();
    const run = spawnSync(EMULATOR, [harness, set], {
      input: Buffer.concat(cases.flatMap(encoded)),
      maxBuffer: 64 * 1024 * 1024,
    });
    expect(run.status).toBe(0);
    const outputs = new Float32Array(new Uint8Array(run.stdout).buffer);
    let at = 0;
    for (const { weights, x, tokens } of cases) {
      const expected = new Float32Array(tokens * weights.rows);
      createReferenceLinear(weights).apply(x, tokens, expected);
      const y = outputs.subarray(at, (at += expected.length));
      const { kind, rows, cols } = weights;
      const type = typeOf(weights);
      expect({ kind, type, rows, cols, tokens, y: bitsOf(y) }).toEqual({
        ...{ kind, type, rows, cols, tokens },
        y: bitsOf(expected),
      });
    }
    expect(at).toBe(outputs.length);
  },
  300_000,
);

let compiled = false;
function compile(): void {
  if (compiled) return;
  const kernels = readdirSync(path.join(NATIVE, 'inference'))
    .filter((name) => name.endsWith('.cc') && !name.endsWith('_js.cc'))
    .map((name) => `inference/${name}`);
  const sources = ['testing/apply_linears.cc', 'runtime/thread_pool.cc', ...kernels];
  const { status, stderr } = spawnSync(COMPILER, [
    ...['-std=c++17', '-O2', '-ffp-contract=off', '-Wall', '-Wextra', '-Werror', '-static', '-pthread'],
    ...['-I', NATIVE, ...sources.map((source) => path.join(NATIVE, source)), '-o', harness],
  ]);
  expect(stderr.toString()).toBe('');
  expect(status).toBe(0);
  compiled = true;
}

function someCases(): Case[] {
  const random = uniform(64);
  const upTo = (most: number) => 1 + Math.floor(random() * most);
  const all: LinearWeights[] = [];
  for (const [keep, group] of [
    [2, 4],
    [4, 8],
    [1, 2],
    [1, 3],
    [2, 3],
    [1, 4],
    [3, 5],
    [2, 8],
    [4, 12],
    [8, 16],
    [3, 16],
  ] as const) {
    for (const dtype of ['bf16', 'f16'] as const) {
      for (const odd of [false, true]) {
        const [rows, groups, seed] = [upTo(50), upTo(12), upTo(1e6)];
        all.push(packedCase({ rows, groups, keep, group, dtype, shuffled: odd, biased: !odd, odd, seed }));
      }
    }
  }
  for (const dtype of ['bf16', 'f16', 'f32'] as const) {
    for (const odd of [false, true]) {
      all.push(denseCase({ rows: upTo(20), cols: upTo(70), dtype, biased: odd, odd, seed: upTo(1e6) }));
    }
  }
  for (const [keep, group] of [
    [2, 4],
    [1, 1],
    [4, 8],
    [1, 3],
  ] as const) {
    for (const bits of [4, 8] as const) {
      for (const survivors of [32, 7]) {
        const [rows, groups, seed] = [upTo(50), upTo(30), upTo(1e6)];
        const shuffled = group > 1;
        const shape = { rows, groups, keep, group, bits, survivors };
        all.push(quantizedCase({ ...shape, shuffled, biased: shuffled, seed }));
      }
    }
  }
  return all.flatMap((weights) =>
    [1, 3, 9].map((tokens) => ({
      weights,
      tokens,
      x: randomInputs(tokens * weights.cols, tokens === 3, random),
    })),
  );
}

/** What the values are. */
function typeOf(weights: LinearWeights): string {
  return weights.kind === 'quantized' ? `int${weights.bits}` : weights.dtype;
}

/** As `native/testing/apply_linears.cc` reads it. */
function encoded({ weights, x, tokens }: Case): Uint8Array[] {
  const { rows, cols, bias } = weights;
  const [kind, fields, arrays] = partsOf(weights);
  const header = Int32Array.of(kind, ...fields, rows, cols, bias === undefined ? 0 : 1, tokens);
  return [header, ...arrays, bias, x]
    .filter((array) => array !== undefined)
    .map((array) => new Uint8Array(array.buffer, array.byteOffset, array.byteLength));
}

/** The kind of linear, its fields (type, keep, group, bits of a position, whether it is shuffled, span), and its arrays. */
function partsOf(
  weights: LinearWeights,
): [kind: number, fields: number[], arrays: (ArrayBufferView | undefined)[]] {
  const types = ['bf16', 'f16', 'f32', 'int3', 'int4', 'int8'];
  const type = types.indexOf(typeOf(weights));
  if (weights.kind === 'dense') return [0, [type, 1, 1, 0, 0, 0], [weights.weights]];
  const { rows, cols, keep, group, indices, permutation } = weights;
  const bits = group === 1 ? 0 : packedLayout(rows, cols, keep, group).bits;
  const span = weights.kind === 'quantized' ? weights.span : 0;
  const fields = [type, keep, group, bits, permutation === undefined ? 0 : 1, span];
  if (weights.kind === 'packed') return [1, fields, [weights.values, indices, permutation]];
  return [2, fields, [weights.codes, weights.scales, indices, permutation]];
}
