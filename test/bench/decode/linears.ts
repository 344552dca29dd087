import { mapFile, openInferenceKernels, type InferenceKernels, type Linear } from '@esparse/kernels';
import { linearAttributesOf } from '@esparse/model-store';
import { isPacked } from '@esparse/sparsity';
import { heading, median, print } from '../table.ts';
import { storedLinears, type StoredLinear } from './stored-linears.ts';

const ROUNDS = 9;

/** Every linear of both models once, one token, nothing else: what sparsity is worth without head, attention and norms. */
export async function benchLinears(sparseStore: string, denseStore: string, threads: number): Promise<void> {
  heading('the linears alone, one token');
  const kernels = openInferenceKernels({ threads });
  const sparse = await linearsOf(sparseStore, kernels);
  const dense = await linearsOf(denseStore, kernels);
  const ratios: number[] = [];
  const seconds: number[] = [];
  pass(sparse);
  pass(dense);
  for (let round = 0; round < ROUNDS; round++) {
    const [s, d] = [pass(sparse), pass(dense)];
    seconds.push(s);
    ratios.push(d / s);
  }
  const ratio = median(ratios);
  print({ name: 'all linears, sparse', measured: `${(median(seconds) * 1000).toFixed(1)} ms` });
  print({
    name: 'sparse against dense, ceiling 1.78 x',
    measured: `${ratio.toFixed(2)} x`,
    target: '>= 1.65 x',
    met: ratio >= 1.65,
  });
}

/** Seconds for all linears, one after the other. */
function pass(linears: readonly Linear[]): number {
  const x = new Float32Array(Math.max(...linears.map(({ cols }) => cols))).fill(0.5);
  const y = new Float32Array(Math.max(...linears.map(({ rows }) => rows)));
  const started = performance.now();
  for (const linear of linears) linear.apply(x.subarray(0, linear.cols), 1, y.subarray(0, linear.rows));
  return (performance.now() - started) / 1000;
}

async function linearsOf(store: string, kernels: InferenceKernels): Promise<Linear[]> {
  return (await storedLinears(store)).map((stored) => open(stored, kernels));
}

function open({ group, name, dense, rows, cols }: StoredLinear, kernels: InferenceKernels): Linear {
  const mapped = (array: string) => mapFile(group.chunkFile!(array));
  const attributes = linearAttributesOf(group, name);
  if (attributes === undefined) {
    return kernels.createLinear({ kind: 'dense', dtype: 'bf16', rows, cols, weights: words(mapped(dense)) });
  }
  const { keep, group: size } = attributes;
  const permutation = mapped(`${name}/permutation`);
  const order = new Int32Array(permutation.buffer, permutation.byteOffset, cols);
  const indices = mapped(`${name}/indices`).subarray(0, group.arrays.get(`${name}/indices`)!.bytes);
  if (attributes.encoding === 'quantized-v1') {
    const { bits, span } = attributes;
    return kernels.createLinear({
      kind: 'quantized',
      ...{ rows, cols, keep, group: size, bits, span, indices, permutation: order },
      codes: mapped(`${name}/values`).subarray(0, group.arrays.get(`${name}/values`)!.bytes),
      scales: words(mapped(`${name}/scales`)),
    });
  }
  if (!isPacked(attributes)) throw new Error(`${name} has the encoding ${attributes.encoding}`);
  return kernels.createLinear({
    kind: 'packed',
    dtype: attributes.dtype,
    rows,
    cols,
    keep,
    group: size,
    values: words(mapped(`${name}/values`)),
    indices,
    permutation: order,
  });
}

/** The 16-bit elements of a chunk's file, whose last 4 bytes are its checksum. */
function words(file: Uint8Array): Uint16Array {
  return new Uint16Array(file.buffer, file.byteOffset, (file.byteLength - 4) / 2);
}
