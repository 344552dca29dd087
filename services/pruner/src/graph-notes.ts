import type { GraphDescription } from '@esparse/model';
import type { Layers } from './layers.ts';

/** As many are named. */
const NAMED = 6;

/** What of a graph is left as it is, and why: a line for each reason. */
export function graphNotes({ graph, ...description }: GraphDescription, layers: Layers): string[] {
  const reasons = new Map<string, string[]>();
  for (const { node, operator, why } of graph.left) {
    const key = `${operator}: ${why}`;
    reasons.set(key, [...(reasons.get(key) ?? []), node]);
  }
  const dense = Array.from({ length: description.blocks }, (_, block) => layers.dense(block)).flat();
  const indivisible = dense.map(({ name, cols, inner = cols }) => `${name} (${inner})`);
  return [
    ...(indivisible.length === 0
      ? []
      : [
          `left dense, since the pattern does not divide their input channels or a rule says so: ${listed(indivisible)}`,
        ]),
    ...[...reasons].map(([why, nodes]) => `left as they are, ${why}: ${listed(nodes)}`),
  ];
}

function listed(names: readonly string[]): string {
  const more = names.length > NAMED ? ` and ${names.length - NAMED} more` : '';
  return names.slice(0, NAMED).join(', ') + more;
}
