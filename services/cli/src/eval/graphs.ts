import { existsSync } from 'node:fs';
import {
  decodeModel,
  graphValues,
  isGraphFile,
  openSamples,
  readGraphFile,
  viewOf,
  type GraphValue,
} from '@esparse/checkpoint';
import { EsparseError } from '@esparse/errors';
import { evaluateGraphs, type GraphFigures, type Nearness } from '@esparse/evaluation';
import { graphOfRun } from '@esparse/export';
import { openStore } from '@esparse/store';
import type { SourceFlags } from '../options/source.ts';
import { createProgress } from '../progress.ts';
import { table } from '../table.ts';

/** A graph and where it is. */
interface PlacedGraph {
  readonly name: string;
  readonly file: Uint8Array | string;
  readonly inputs: readonly GraphValue[];
  readonly outputs: readonly GraphValue[];
}

/** What was measured of each graph, the first one first. */
export interface GraphReport {
  readonly data: string;
  readonly models: readonly ({ readonly model: string } & GraphFigures)[];
}

/**
 * Measures graphs on data.
 * @throws EsparseError 'usage' or 'unsupported' for what is no graph, 'text' for data that do not fit
 */
export async function measureGraphs(
  sources: readonly SourceFlags[],
  {
    data,
    threads,
    signal,
  }: { readonly data: string; readonly threads?: number | undefined; readonly signal: AbortSignal },
): Promise<GraphReport> {
  const graphs: PlacedGraph[] = [];
  for (const source of sources) graphs.push(await openGraph(source, signal));
  const { inputs, outputs } = graphs[0]!;
  const beside = ['labels', ...outputs.map(({ name }) => name)];
  const samples = await openSamples(data, { inputs, beside, signal });
  const progress = createProgress(process.stderr);
  try {
    const onProgress = (done: number, total: number) => {
      progress.show(`evaluating: sample ${done} of ${total}`);
    };
    const figures = await evaluateGraphs(graphs, { outputs, samples, threads, signal, onProgress });
    return { data, models: graphs.map(({ name }, i) => ({ model: name, ...figures[i]! })) };
  } finally {
    progress.end();
  }
}

async function openGraph({ store, run, model }: SourceFlags, signal: AbortSignal): Promise<PlacedGraph> {
  if (store !== undefined) {
    const found = await (await openStore(store)).openRun(run);
    const { file, description } = await graphOfRun(found, signal);
    const { inputs, outputs } = description.graph;
    return { name: store, file, inputs, outputs };
  }
  if (model === undefined || !isGraphFile(model)) {
    throw new EsparseError('usage', `--data is for graphs: ${model ?? 'nothing'} is none`, {
      hint: 'give --model NET.onnx, or --store of a graph; --text and --tasks are for language models',
    });
  }
  const file = await readGraphFile(model, signal);
  // By its path, where it has one here: its weights may be in files beside it.
  const place = existsSync(model) ? model : file;
  return { name: model, file: place, ...graphValues(viewOf(decodeModel(file, model).graph, {}, model)) };
}

/** A line for each graph. */
export function renderGraphs({ data, models }: GraphReport): string {
  const outputs = Object.keys(models.at(-1)?.first ?? models[0]?.targets ?? {});
  const hasHits = models[0]?.hits !== undefined;
  const of = (found: Readonly<Record<string, Nearness>> | undefined, output: string) =>
    found?.[output] === undefined
      ? ['', '']
      : [found[output].meanSquaredError.toPrecision(4), found[output].cosine.toFixed(5)];
  const hasTargets = models[0]?.targets !== undefined;
  const head = [
    'graph',
    ...(hasHits ? ['top-1', 'top-5'] : []),
    ...outputs.flatMap((name) => [
      ...(hasTargets ? [`${name}: mse to data`, 'cosine'] : []),
      ...(models.length > 1 ? [`${name}: mse to the first`, 'cosine'] : []),
    ]),
  ];
  const rows = models.map(({ model, hits, targets, first }) => [
    model,
    ...(hits === undefined ? [] : [percent(hits.top1), percent(hits.top5)]),
    ...outputs.flatMap((name) => [
      ...(hasTargets ? of(targets, name) : []),
      ...(models.length > 1 ? of(first, name) : []),
    ]),
  ]);
  return `${table(head, rows)}\n${models[0]!.samples} samples of ${data}\n`;
}

function percent(share: number): string {
  return `${(100 * share).toFixed(2)} %`;
}
