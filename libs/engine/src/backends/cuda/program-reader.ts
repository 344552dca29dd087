import type { BlockOp, OpNamed } from '@esparse/model';
import type { Refuse } from './refusal.ts';

type Found<Name extends BlockOp['op']> = OpNamed<Name> & BlockOp;

/** Reads operations by the values that they make, and knows which have been read. */
export interface ProgramReader {
  /** The operation that makes a value, where it is one of these. */
  maybe<Name extends BlockOp['op']>(value: string, ...names: Name[]): Found<Name> | undefined;
  /** @throws EsparseError 'unsupported' naming the operation that it is instead */
  must<Name extends BlockOp['op']>(value: string, ...names: Name[]): Found<Name>;
  isMade(value: string): boolean;
  /** @throws EsparseError 'unsupported' naming an operation that nobody has read */
  end(): void;
}

export function createProgramReader(program: readonly BlockOp[], refuse: Refuse): ProgramReader {
  const made = new Map(program.map((op) => [op.output, op]));
  const read = new Set<BlockOp>();
  const isOf = <Name extends BlockOp['op']>(
    op: BlockOp | undefined,
    names: readonly Name[],
  ): op is Found<Name> => op !== undefined && (names as readonly string[]).includes(op.op);
  const maybe = <Name extends BlockOp['op']>(value: string, ...names: Name[]) => {
    const op = made.get(value);
    if (!isOf(op, names)) return undefined;
    read.add(op);
    return op;
  };
  return {
    maybe,
    must(value, ...names) {
      const op = maybe(value, ...names);
      if (op !== undefined) return op;
      const other = made.get(value)?.op;
      const found = other === undefined ? 'their input' : `'${other}'`;
      return refuse(`its blocks have ${found} where the kernels have '${names.join("' or '")}'`);
    },
    isMade: (value) => made.has(value),
    end() {
      const left = program.find((op) => !read.has(op));
      if (left !== undefined) refuse(`its blocks have '${left.op}' where the kernels have nothing`);
    },
  };
}
