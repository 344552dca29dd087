import { OPERATIONS } from '@esparse/model';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { GraphBuilder } from '../graph/builder.ts';
import type { DeviceName } from './device-name.ts';
import { createSession, type Value } from './session.ts';

/** Rows and channels of the probe: sums long enough that another order of additions shows in their bits. */
const ROWS = 32;
const CHANNELS = 256;
/** Hex digits that name a probe's bits. */
const DIGITS = 8;

/**
 * Names the arithmetic of a device that has no name at hand (onnxruntime-node tells neither adapter nor driver): by the
 * bits that it gives for a fixed input to the operations of a block, and by the driver where the system tells it.
 * @example 'nvidia-580.159.04/probe-5b1f0c52'
 */
export async function identify(device: DeviceName): Promise<string> {
  const session = await createSession(probeGraph(), { device });
  try {
    const output = matrix(new Float32Array(ROWS * CHANNELS));
    await session.run(
      new Map([
        ['x', matrix(waves(ROWS * CHANNELS, 0.37))],
        ['scale', { data: waves(CHANNELS, 0.11), shape: [CHANNELS] }],
        ['w', { data: waves(CHANNELS * CHANNELS, 0.73), shape: [CHANNELS, CHANNELS] }],
      ]),
      new Map([['output', output]]),
    );
    const digest = createHash('sha256').update(new Uint8Array(output.data.buffer)).digest('hex');
    return [...driver(), `probe-${digest.slice(0, DIGITS)}`].join('/');
  } finally {
    await session.release();
  }
}

/** Norm, product, gated activation and softmax. */
function probeGraph(): Uint8Array {
  const graph = new GraphBuilder('probe');
  graph.input('x', [ROWS, CHANNELS]);
  graph.input('w', [CHANNELS, CHANNELS]);
  OPERATIONS.rmsNorm.emit(
    { op: 'rmsNorm', input: 'x', output: 'normal', weight: 'scale', epsilon: 1e-5 },
    { graph, rows: ROWS, width: () => CHANNELS, parameter: (slot) => graph.input(slot, [CHANNELS]) },
  );
  graph.node('Gemm', ['normal', 'w'], { transB: 1 }, ['product']);
  OPERATIONS.gatedActivation.emit(
    { op: 'gatedActivation', activation: 'silu', gate: 'product', up: 'normal', output: 'gated' },
    { graph },
  );
  graph.node('Softmax', ['gated'], { axis: -1 }, ['output']);
  graph.output('output', [ROWS, CHANNELS]);
  return graph.toBytes();
}

/** Numbers in [-1, 1] that are the same everywhere: remainders, not sines, whose last bits differ. */
function waves(count: number, step: number): Float32Array {
  return Float32Array.from({ length: count }, (_, i) => ((i * step) % 2) - 1);
}

function matrix(data: Float32Array): Value {
  return { data, shape: [ROWS, CHANNELS] };
}

/** NVIDIA's kernel module, where it is loaded and its version can be read (Linux). */
function driver(): string[] {
  try {
    return [`nvidia-${readFileSync('/sys/module/nvidia/version', 'utf8').trim()}`];
  } catch {
    return [];
  }
}
