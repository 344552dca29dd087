import type { LinearSpec } from './description.ts';
import { expertPart } from './expert.ts';
import { operationOf, type BlockOp } from './operations/index.ts';

/** What makes the input of a linear: the linears whose outputs become it, channel by channel. */
export interface Producers {
  readonly linears: readonly string[];
  /** Where the channels pass an attention on their way: they may move within its heads alone. */
  readonly heads?: { readonly heads: number; readonly kvHeads: number; readonly headDim: number };
}

/**
 * The linears that make the input of a linear and nothing else, so that their outputs can be put in another order with it;
 * undefined where something else reads or makes it too, such as the residual stream.
 */
export function producersOf(
  program: readonly BlockOp[],
  { name, expert }: Pick<LinearSpec, 'name' | 'expert'>,
): Producers | undefined {
  if (expert !== undefined) {
    const mixture = program.find((op) => op.op === 'experts');
    if (mixture?.op !== 'experts') return undefined;
    const found = producersOf(mixture.program, { name: name.slice(expertPart(expert, '').length) });
    return found && { ...found, linears: found.linears.map((linear) => expertPart(expert, linear)) };
  }
  const consumer = program.find((op) => op.op === 'linear' && op.linear === name);
  return consumer?.op === 'linear' ? producersOfValue(program, consumer.input) : undefined;
}

function producersOfValue(program: readonly BlockOp[], value: string): Producers | undefined {
  const readers = program.flatMap((op) => operationOf(op).inputs(op)).filter((input) => input === value);
  const maker = program.find((op) => op.output === value);
  if (readers.length !== 1 || maker === undefined) return undefined;
  if (maker.op === 'linear') return { linears: [maker.linear] };
  if (maker.op === 'attention') {
    const found = producersOfValue(program, maker.value);
    // One attention behind another does not occur.
    if (found === undefined || found.heads !== undefined) return undefined;
    const { heads, kvHeads, headDim } = maker;
    return { linears: found.linears, heads: { heads, kvHeads, headDim } };
  }
  const operation = operationOf(maker);
  if (operation.elementwise !== true) return undefined;
  const linears: string[] = [];
  for (const input of operation.inputs(maker)) {
    const found = producersOfValue(program, input);
    if (found === undefined || found.heads !== undefined) return undefined;
    linears.push(...found.linears);
  }
  return { linears };
}
