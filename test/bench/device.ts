/**
 * `npm run bench:device -- --device webgpu`: what a device takes for the two phases of a worker, beside the processor of
 * the same machine, on a generated block; then many blocks in turn, and what they leave of memory.
 */
import { execFileSync } from 'node:child_process';
import { Command, Option } from 'commander';
import { elementCount, type WeightSource } from '@esparse/checkpoint';
import { describeModel, tensorsOfBlock, type ModelDescription } from '@esparse/model';
import { createBlockRunner, DEVICES, openDevice, type DeviceName, type LoadedBlock } from '@esparse/onnx';
import { llamaConfig, seededNumbers, type LlamaShape } from '../support/random-model.ts';
import { heading, print } from './table.ts';

const SHAPES: Readonly<Record<string, LlamaShape>> = {
  '1b': { hidden: 2048, intermediate: 5632, blocks: 22, heads: 32, kvHeads: 4 },
  '7b': { hidden: 4096, intermediate: 11008, blocks: 32, heads: 32, kvHeads: 32 },
  '13b': { hidden: 5120, intermediate: 13824, blocks: 40, heads: 40, kvHeads: 40 },
};

interface Flags {
  readonly device: DeviceName;
  readonly shape: string[];
  readonly seqlen: string;
  readonly runs: string;
  readonly blocks: string;
}

const flags = new Command('bench:device')
  .addOption(
    new Option('--device <name>', 'to compare with the processor').choices(DEVICES).default('webgpu'),
  )
  .addOption(new Option('--shape <name...>', 'of a LLaMA').choices(Object.keys(SHAPES)).default(['1b', '7b']))
  .option('--seqlen <n>', 'tokens of a sequence', '512')
  .option('--runs <n>', 'sequences of a measurement, whose median counts', '7')
  .option('--blocks <n>', 'blocks that are loaded, run and released in turn', '12')
  .parse()
  .opts<Flags>();

const seqlen = Number(flags.seqlen);
for (const shape of flags.shape) await bench(shape, describeModel(llamaConfig(SHAPES[shape]!)));

async function bench(shape: string, description: ModelDescription): Promise<void> {
  const { hidden, linears } = description;
  heading(`a block of the ${shape} shape, ${hidden} / ${linears.at(-1)!.cols}, ${seqlen} tokens a sequence`);
  const weights = noiseWeights(description);
  const noise = seededNumbers(1);
  const input = Float32Array.from({ length: seqlen * hidden }, () => noise() - 0.5);
  const processor = await measure('cpu', description, weights, input);
  const device = await measure(flags.device, description, weights, input);
  for (const phase of ['load', 'calibrate', 'advance'] as const) {
    const ratio = processor[phase] / device[phase];
    const unit = phase === 'load' ? 'ms a block' : 'ms a sequence';
    print({
      name: `${phase}: cpu, ${flags.device}, ratio`,
      measured: `${processor[phase].toFixed(0)}, ${device[phase].toFixed(0)} ${unit}, ${ratio.toFixed(2)} x`,
    });
  }
  print({ name: 'largest difference of the output', measured: difference(device.output, processor.output) });
  print({ name: 'arithmetic', measured: device.arithmetic });
  print({ name: 'the same bits twice', measured: String(device.repeats) });
  print({ name: `memory after block 2 of ${flags.blocks}`, measured: device.memory[0] ?? '' });
  print({ name: `memory after block ${flags.blocks}`, measured: device.memory[1] ?? '' });
}

async function measure(
  name: DeviceName,
  description: ModelDescription,
  weights: WeightSource,
  input: Float32Array,
) {
  const device = await openDevice(name);
  const runner = await createBlockRunner(description, { seqlen, device });
  let block = await runner.load(0, weights);
  const output = await block.advance(input);
  const repeats = Buffer.compare(bytesOf(output), bytesOf(await block.advance(input))) === 0;
  const load = await median(3, async () => {
    await block.release();
    block = await runner.load(0, weights);
  });
  const calibrate = await median(Number(flags.runs), () => block.taps(input));
  const advance = await median(Number(flags.runs), () => block.advance(input));
  await block.release();
  const memory: string[] = [];
  if (name !== 'cpu') {
    for (let k = 1; k <= Number(flags.blocks); k++) {
      const next = await runner.load(k % description.blocks, weights);
      await runBoth(next, input);
      if (k === 2 || k === Number(flags.blocks)) memory.push(memoryInUse());
      await next.release();
    }
  }
  await runner.release();
  await device.release();
  return { arithmetic: device.arithmetic, output, repeats, load, calibrate, advance, memory };
}

async function runBoth(block: LoadedBlock, input: Float32Array): Promise<void> {
  await block.taps(input);
  await block.advance(input);
}

/** Weights of a trained model's scale that cost no time to make: one piece of noise, again and again. */
function noiseWeights(description: ModelDescription): WeightSource {
  const random = seededNumbers(2);
  const piece = Float32Array.from({ length: 65521 }, () => 3.4 * (random() - 0.5));
  const shapes = new Map<string, readonly number[]>();
  for (let k = 0; k < description.blocks; k++) {
    for (const { name, shape } of tensorsOfBlock(description, k)) shapes.set(name, shape);
  }
  const read = (name: string) => {
    const shape = shapes.get(name)!;
    const values = new Float32Array(elementCount(shape));
    if (shape.length === 1) return Promise.resolve(values.fill(1));
    const scale = 1 / Math.sqrt(shape[1]!);
    const scaled = piece.map((value) => value * scale);
    for (let at = 0; at < values.length; at += scaled.length) {
      values.set(scaled.subarray(0, Math.min(scaled.length, values.length - at)), at);
    }
    return Promise.resolve(values);
  };
  const never = () => Promise.reject(new Error('a block is read whole'));
  return {
    has: (name) => shapes.has(name),
    shape: (name) => shapes.get(name)!,
    read,
    readRows: never,
    readRowRange: never,
  };
}

async function median(runs: number, run: () => Promise<unknown>): Promise<number> {
  await run();
  const times: number[] = [];
  for (let i = 0; i < runs; i++) {
    const started = performance.now();
    await run();
    times.push(performance.now() - started);
  }
  return times.sort((a, b) => a - b)[runs >> 1]!;
}

function difference(found: Float32Array, expected: Float32Array): string {
  let largest = 0;
  let error = 0;
  for (let i = 0; i < expected.length; i++) {
    largest = Math.max(largest, Math.abs(expected[i]!));
    error = Math.max(error, Math.abs(found[i]! - expected[i]!));
  }
  return `${(error / largest).toExponential(1)} of the largest value`;
}

function bytesOf({ buffer, byteOffset, byteLength }: Float32Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

/** Of this process, and of the device where NVIDIA's tool is installed. */
function memoryInUse(): string {
  const resident = `${Math.round(process.memoryUsage.rss() / 2 ** 20)} MiB resident`;
  try {
    const used = execFileSync('nvidia-smi', ['--query-gpu=memory.used', '--format=csv,noheader']);
    return `${resident}, ${String(used).trim()} on the device`;
  } catch {
    return resident;
  }
}
