import {
  BLOCK_INPUT,
  BLOCK_OUTPUT,
  describeExpert,
  neededFor,
  operationOf,
  slotShapes,
  widthsOf,
  type BlockOp,
  type ModelDescription,
  type OpNamed,
} from '@esparse/model';
import type { ProgramPart } from '../graph/program-writer.ts';

/** A block with a mixture of experts, in three parts, so that its experts can be run one after the other. */
export interface MixtureParts {
  readonly op: OpNamed<'experts'>;
  /** From the block's input to what the experts read. */
  readonly before: ProgramPart;
  /** Of one expert: any of them. */
  readonly expert: ProgramPart;
  /** From what the experts gave to the block's output. */
  readonly after: ProgramPart;
  /** What `after` needs of `before`. */
  readonly carried: readonly string[];
}

/** The parts of a kind of block; undefined where it has no experts. */
export function mixtureParts(description: ModelDescription, kind: number): MixtureParts | undefined {
  const block = description.program.blocks[kind]!;
  const at = block.findIndex(({ op }) => op === 'experts');
  if (at < 0) return undefined;
  const op = block[at] as OpNamed<'experts'>;
  const before = block.slice(0, at);
  const shared = { name: 'block', description, slots: slotShapes(description, kind) };
  const widths = widthsOf(description, block, { [BLOCK_INPUT]: description.hidden });
  const width = (value: string) => widths.get(value)!;
  const after = neededFor<BlockOp>(block.slice(at + 1), [BLOCK_OUTPUT]);
  const read = new Set(after.flatMap((each) => operationOf(each).inputs(each)));
  const carried = [BLOCK_INPUT, ...before.map(({ output }) => output)].filter((value) => read.has(value));
  const expert = describeExpert(description, 0);
  return {
    op,
    before: { ...shared, program: before, given: { [BLOCK_INPUT]: description.hidden } },
    expert: {
      name: 'expert',
      description: expert,
      program: op.program,
      given: { [op.input]: width(op.input) },
      slots: slotShapes(expert, kind),
    },
    after: {
      ...shared,
      program: after,
      given: Object.fromEntries([...carried, op.output].map((value) => [value, width(value)])),
    },
    carried,
  };
}
