import type { LiveGraph } from '../../src/live/events.ts';

/** Nodes of a row at most: more would leave no room for words. */
const MAX_ROW = 4;

/**
 * The nodes in rows, so that every edge leads downwards: each right below what comes before it; what nothing comes before, such
 * as reading weights, right above what needs it.
 */
export function layersOf({ nodes, edges }: LiveGraph): string[][] {
  const ids = new Set(nodes.map(({ id }) => id));
  const known = edges.filter(({ from, to }) => ids.has(from) && ids.has(to));
  const depths = new Map(nodes.map(({ id }) => [id, 0]));
  // A longest way has fewer steps than there are nodes; a ring, which no pipeline has, ends there, too.
  for (let step = 0; step < nodes.length; step++) {
    let changed = false;
    for (const { from, to } of known) {
      if (depths.get(to)! > depths.get(from)!) continue;
      depths.set(to, depths.get(from)! + 1);
      changed = true;
    }
    if (!changed) break;
  }
  for (const { id } of nodes) {
    if (known.some(({ to }) => to === id)) continue;
    const below = known.filter(({ from }) => from === id).map(({ to }) => depths.get(to)!);
    if (below.length > 0) depths.set(id, Math.max(0, Math.min(...below) - 1));
  }
  const rows = new Map<number, string[]>();
  for (const { id } of nodes) rows.set(depths.get(id)!, [...(rows.get(depths.get(id)!) ?? []), id]);
  return [...rows]
    .sort(([a], [b]) => a - b)
    .flatMap(([, row]) =>
      Array.from({ length: Math.ceil(row.length / MAX_ROW) }, (_, i) =>
        row.slice(i * MAX_ROW, (i + 1) * MAX_ROW),
      ),
    );
}
