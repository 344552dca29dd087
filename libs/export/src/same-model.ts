import {
  kindOf,
  ropeFrequencies,
  tensorsOfBlock,
  type BlockOp,
  type ModelDescription,
  type ProgramOp,
  type RopeSpec,
} from '@esparse/model';

/** Factors and angles that a format keeps in f32 come back within this. */
const TOLERANCE = 1e-6;

/**
 * In what a model as a format tells it differs from the model itself; undefined where the two compute the same, up to the
 * positions that the second one names.
 */
export function differenceOf(model: ModelDescription, told: ModelDescription): string | undefined {
  const shapes = [model, told].map(
    ({ hidden, blocks, vocab }) => `${blocks} blocks of ${hidden} channels, ${vocab} tokens`,
  );
  if (shapes[0] !== shapes[1]) return `${shapes[0]}, not ${shapes[1]}`;
  const reach = told.maxPositions;
  const parts: [string, readonly ProgramOp[], readonly ProgramOp[]][] = [
    ['embedding', model.program.embed, told.program.embed],
    ...Array.from({ length: model.blocks }, (_, block): [string, readonly BlockOp[], readonly BlockOp[]] => [
      `block ${block}`,
      model.program.blocks[kindOf(model.program, block)]!,
      told.program.blocks[kindOf(told.program, block)]!,
    ]),
    ['head', model.program.head, told.program.head],
  ];
  for (const [part, ops, others] of parts) {
    for (const [i, op] of ops.entries()) {
      const difference = fieldsOf(op, others[i], reach);
      if (difference !== undefined) return `${part}, ${op.op}: ${difference}`;
    }
    if (ops.length !== others.length) return `${part}: ${ops.length} operations, not ${others.length}`;
  }
  const names = [model, told].map((one) => new Set(tensorsOfBlock(one, 0).map(({ name }) => name)));
  const missing = [...names[0]!].find((name) => !names[1]!.has(name));
  return missing === undefined ? undefined : `tensor ${missing}`;
}

/** The first field of an operation in which another one differs. */
function fieldsOf(op: ProgramOp, other: ProgramOp | undefined, reach: number): string | undefined {
  const [mine, theirs] = [effective(op, reach), effective(other ?? { op: 'nothing' }, reach)];
  for (const key of new Set([...Object.keys(mine), ...Object.keys(theirs)])) {
    const [a, b] = [mine[key], theirs[key]];
    if (key === 'spec' && a !== undefined && b !== undefined) {
      if (!sameTurns(a as RopeSpec, b as RopeSpec, reach))
        return `rotary positions of the type '${(a as RopeSpec).type}'`;
    } else if (!sameValues(a, b)) return `${key} ${JSON.stringify(a)}, not ${JSON.stringify(b)}`;
  }
  return undefined;
}

/** An operation without what has no effect: a window that nothing exceeds, an offset of nothing. */
function effective(op: object, reach: number): Record<string, unknown> {
  const { window, offset, ...rest } = op as Record<string, unknown>;
  return {
    ...rest,
    ...(typeof window === 'number' && window < reach && { window }),
    ...(offset !== undefined && offset !== 0 && { offset }),
  };
}

function sameValues(a: unknown, b: unknown): boolean {
  if (typeof a === 'number' && typeof b === 'number') return near(a, b);
  return a === b;
}

function sameTurns(a: RopeSpec, b: RopeSpec, reach: number): boolean {
  const scale = (rope: RopeSpec) => ('attentionFactor' in rope ? rope.attentionFactor : 1);
  if (a.channels !== b.channels || !near(scale(a), scale(b))) return false;
  return [2, reach].every((rows) => {
    const other = ropeFrequencies(b, rows);
    return ropeFrequencies(a, rows).every((frequency, j) => near(frequency, other[j]!));
  });
}

function near(a: number, b: number): boolean {
  return Math.abs(a - b) <= TOLERANCE * Math.max(Math.abs(a), Math.abs(b));
}
