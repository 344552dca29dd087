import type { ArrayValue, GraphValue, Samples } from '@esparse/checkpoint';
import { EsparseError } from '@esparse/errors';
import { createTensorSession, type TensorSession } from '@esparse/onnx';
import { HitCount, NearnessSum, type Hits, type Nearness } from './graph-figures.ts';

/** A graph to be measured. */
export interface GraphToMeasure {
  /** The .onnx file, or its path. */
  readonly file: Uint8Array | string;
  /** How messages name it. */
  readonly name: string;
}

/** What was measured of a graph. */
export interface GraphFigures {
  readonly samples: number;
  /** Where the data have labels. */
  readonly hits?: Hits;
  /** By output: against arrays of that name in the data. Absent where there are none. */
  readonly targets?: Readonly<Record<string, Nearness>>;
  /** By output: against the first graph's. Absent of that itself. */
  readonly first?: Readonly<Record<string, Nearness>>;
}

export interface EvaluateGraphsOptions {
  readonly outputs: readonly GraphValue[];
  readonly samples: Samples;
  readonly threads?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

/**
 * Runs graphs over samples, one beside the other, and tells how good they are by whatever the data allow: labels, outputs as
 * they should be, or the first graph's.
 * @throws EsparseError 'text' for data that do not fit the outputs, 'unsupported' as `createTensorSession`
 */
export async function evaluateGraphs(
  graphs: readonly GraphToMeasure[],
  { outputs, samples, threads, signal, onProgress }: EvaluateGraphsOptions,
): Promise<GraphFigures[]> {
  const names = outputs.map(({ name }) => name);
  const labels = samples.others.get('labels');
  const targets = names.filter((name) => samples.others.has(name));
  const sums = () => new Map(names.map((name) => [name, new NearnessSum()]));
  const sessions: TensorSession[] = [];
  try {
    for (const { file, name } of graphs)
      sessions.push(await createTensorSession(file, { what: name, threads }));
    const counts = graphs.map(() => ({
      hits: labels && new HitCount(labels),
      targets: sums(),
      first: sums(),
    }));
    for (let i = 0; i < samples.count; i++) {
      signal?.throwIfAborted();
      const sample = samples.sample(i);
      let first: ReadonlyMap<string, ArrayValue> | undefined;
      for (const [g, session] of sessions.entries()) {
        const found = await session.run(sample, names);
        const { hits, targets: toTargets, first: toFirst } = counts[g]!;
        hits?.add(names[0]!, found.get(names[0]!)!);
        for (const name of targets) {
          toTargets.get(name)!.add(name, found.get(name)!, partOf(samples, name, i));
        }
        for (const name of names)
          if (first !== undefined) toFirst.get(name)!.add(name, found.get(name)!, first.get(name)!);
        first ??= found;
      }
      onProgress?.(i + 1, samples.count);
    }
    return counts.map(({ hits, targets: toTargets, first }, g) => ({
      samples: samples.count,
      ...(hits && { hits: hits.hits }),
      ...(targets.length > 0 && { targets: nearnessOf(toTargets, targets) }),
      ...(g > 0 && { first: nearnessOf(first, names) }),
    }));
  } finally {
    await Promise.allSettled(sessions.map((session) => session.release()));
  }
}

function nearnessOf(
  sums: ReadonlyMap<string, NearnessSum>,
  names: readonly string[],
): Readonly<Record<string, Nearness>> {
  return Object.fromEntries(names.map((name) => [name, sums.get(name)!.nearness]));
}

/** What an output should be of one sample. */
function partOf(samples: Samples, name: string, index: number): ArrayValue {
  const all = samples.others.get(name)!;
  const size = all.bytes.length / samples.count;
  if (!Number.isInteger(size) || all.shape[0] === 0) {
    throw new EsparseError(
      'text',
      `array '${name}' is [${all.shape.join()}]: there are ${samples.count} samples`,
    );
  }
  return {
    type: all.type,
    shape: all.shape.slice(1),
    bytes: all.bytes.slice(index * size, (index + 1) * size),
  };
}
