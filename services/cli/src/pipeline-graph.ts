import { isGraph, type PrunableModel } from '@esparse/model';
import { figureStatistics, type PruneOptions } from '@esparse/pruner';
import type { ConfiguredPipeline, JsonObject } from '@esparse/sparsity';

/** A step of the dataflow, and how the steps hang together: `from` before `to`. */
export interface PipelineGraph {
  readonly pipeline: string;
  readonly nodes: readonly GraphNode[];
  readonly edges: readonly { readonly from: string; readonly to: string }[];
}

export interface GraphNode {
  readonly id: string;
  readonly kind: 'tap' | 'statistic' | 'linear' | 'metric' | 'shuffle' | 'step' | 'stage';
  readonly label: string;
  readonly options?: JsonObject;
}

/** The dataflow of one block: from taps through statistics, score, order, mask and stages to the commit. */
export function pipelineGraph(
  pipeline: ConfiguredPipeline,
  model?: PrunableModel,
  options: Pick<PruneOptions, 'figures' | 'figureTokens'> = {},
): PipelineGraph {
  const { name, metric, shuffle, stages, blockStages } = pipeline;
  const nodes: GraphNode[] = [];
  const edges: { from: string; to: string }[] = [];
  const add = (node: GraphNode, ...before: readonly string[]) => {
    nodes.push(node);
    for (const from of before) edges.push({ from, to: node.id });
    return node.id;
  };
  const steps = [
    { kind: 'metric' as const, plugin: metric, statistics: metric.statistics },
    { kind: 'shuffle' as const, plugin: shuffle, statistics: {} },
    { kind: 'step' as const, plugin: { name: 'mask' }, statistics: {} },
    ...stages.map((stage) => ({ kind: 'stage' as const, plugin: stage, statistics: stage.statistics })),
  ];
  const needed = new Set(
    steps.flatMap(({ statistics }) => Object.values(statistics).map(({ statistic }) => statistic.name)),
  );

  const taps =
    model === undefined
      ? [add({ id: 'tap', kind: 'tap', label: 'activations of each tap' })]
      : model.taps.map(({ name: tap, channels }) =>
          add({ id: `tap:${tap}`, kind: 'tap', label: `${tap}, ${channels} channels` }),
        );
  for (const statistic of needed)
    add({ id: `statistic:${statistic}`, kind: 'statistic', label: statistic }, ...taps);

  const load = add({ id: 'load', kind: 'step', label: 'load weights' });
  const isOfGraph = model !== undefined && isGraph(model);
  for (const { name: linear, tap, rows, cols, kinds = [] } of model?.linears ?? []) {
    // The steps of a graph are all different, and it is they that show in which order it is pruned.
    const step = isOfGraph ? `, step ${kinds.join()}` : '';
    add(
      { id: `linear:${linear}`, kind: 'linear', label: `${linear}, ${rows} x ${cols}${step}` },
      `tap:${tap}`,
    );
    edges.push({ from: `linear:${linear}`, to: load });
  }
  let last = load;
  for (const { kind, plugin, statistics } of steps) {
    const reads = new Set(Object.values(statistics).map(({ statistic }) => `statistic:${statistic.name}`));
    const { options } = plugin as { readonly options?: JsonObject };
    const label = kind === 'step' ? plugin.name : `${kind} ${plugin.name}`;
    const node = { id: `${kind}:${plugin.name}`, kind, label, ...(options === undefined ? {} : { options }) };
    last = add(node, last, ...reads);
  }
  const figures = new Set(
    Object.values(figureStatistics(pipeline, options)).map(({ statistic }) => statistic.name),
  );
  const forFigures = [...figures].map((name) => {
    const id = `statistic:${name}`;
    return needed.has(name) ? id : add({ id, kind: 'statistic', label: name }, ...taps);
  });
  last = add({ id: 'pack', kind: 'step', label: 'pack' }, last, ...forFigures);
  for (const { name: stage, options } of blockStages) {
    const label = `block stage ${stage}`;
    last = add({ id: `block-stage:${stage}`, kind: 'stage', label, ...(options && { options }) }, last);
  }
  last = add({ id: 'commit', kind: 'step', label: 'commit block' }, last);
  const needsStates =
    needed.size > 0 || figures.size > 0 || blockStages.some(({ states }) => states !== 'none');
  if (needsStates) add({ id: 'advance', kind: 'step', label: 'run the pruned block' }, last);
  return { pipeline: name, nodes, edges };
}

/** The same as a flowchart of Mermaid. */
export function mermaidOf({ nodes, edges }: PipelineGraph): string {
  const ids = new Map(nodes.map(({ id }, i) => [id, `n${i}`]));
  const lines = nodes.map(({ id, kind, label, options = {} }) => {
    const settings = Object.entries(options).map(([name, value]) => `${name} ${JSON.stringify(value)}`);
    // Quotes would end the label.
    const text = [label, ...settings].join('<br/>').replaceAll('"', "'");
    const [open, close] = SHAPES[kind];
    return `  ${ids.get(id)!}${open}"${text}"${close}`;
  });
  const arrows = edges.map(({ from, to }) => `  ${ids.get(from)!} --> ${ids.get(to)!}`);
  return `${['flowchart TD', ...lines, ...arrows].join('\n')}\n`;
}

const SHAPES: Readonly<Record<GraphNode['kind'], readonly [open: string, close: string]>> = {
  tap: ['([', '])'],
  statistic: ['[(', ')]'],
  linear: ['[/', '/]'],
  metric: ['[', ']'],
  shuffle: ['[', ']'],
  step: ['[', ']'],
  stage: ['[[', ']]'],
};
