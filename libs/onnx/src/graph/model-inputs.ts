import { MASKED, type ModelContext } from '@esparse/model';
import type { GraphBuilder } from './builder.ts';

/** Names of the dimensions that a cache has. */
export const CACHE_DIMENSIONS = {
  past: 'past_sequence_length',
  present: 'past_sequence_length + sequence_length',
} as const;

/** What the graph of a model knows of the batch that it computes. */
export interface BatchInputs extends Pick<ModelContext, 'batch' | 'index' | 'mask'> {
  /** (1), tokens of a sequence, those of the cache among them. */
  readonly total: string;
}

/** The inputs that say which tokens there are, each (sequences x tokens), whole numbers. */
export function batchInputs(graph: GraphBuilder): BatchInputs {
  const dimensions = ['batch_size', 'sequence_length'];
  const ids = graph.input('input_ids', dimensions, 'i64');
  const seen = graph.input('attention_mask', ['batch_size', CACHE_DIMENSIONS.present], 'i64');
  const positions = graph.input('position_ids', dimensions, 'i64');
  const flat = {
    token: graph.reshape(ids, [-1]),
    position: graph.reshape(positions, [-1]),
  };
  const batch = graph.node('Shape', [ids]);
  const sequence = graph.node('Shape', [ids], { start: 1, end: 2 });
  const total = graph.node('Shape', [seen], { start: 1, end: 2 });
  const mask = maskWriter(graph, { seen, total, past: graph.node('Sub', [total, sequence]) });
  return { batch, total, index: (kind) => flat[kind], mask };
}

/** Writes the mask of each window once. */
function maskWriter(
  graph: GraphBuilder,
  { seen, total, past }: { readonly seen: string; readonly total: string; readonly past: string },
): ModelContext['mask'] {
  const scalar = (value: string) => graph.node('Squeeze', [value]);
  const axes = (...values: number[]) => graph.integers(values);
  const one = graph.integers([1]);
  // (new tokens x 1) and (all tokens): where each stands in its sequence, padding counted.
  const rows = graph.node('Unsqueeze', [
    graph.node('Range', [scalar(past), scalar(total), scalar(one)]),
    axes(1),
  ]);
  const columns = graph.node('Range', [scalar(graph.integers([0])), scalar(total), scalar(one)]);
  const present = graph.node('Unsqueeze', [graph.node('Cast', [seen], { to: BOOL }), axes(1, 2, 3)]);
  const before = graph.node('LessOrEqual', [columns, rows]);
  const made = new Map<number | undefined, string>();
  return (window) => {
    let mask = made.get(window);
    if (mask === undefined) {
      const near = window === undefined ? before : graph.node('And', [before, within(window)]);
      const visible = graph.node('And', [present, near]);
      mask = graph.node('Where', [visible, graph.constant(0), graph.constant(MASKED)]);
      made.set(window, mask);
    }
    return mask;
  };

  function within(window: number): string {
    return graph.node('Greater', [columns, graph.node('Sub', [rows, graph.integers([window])])]);
  }
}

/** TensorProto.DataType */
const BOOL = 9;
