import { describeExpert, expertPart, type OpNamed } from '@esparse/model';
import type { SectionWeights } from './model-weights.ts';
import type { Action, OperationContext } from './operations.ts';

/**
 * A mixture of experts: the tokens of each expert are gathered, go through its program together, and are added to the
 * output with their shares. What a token is given has the same bits in any company: its experts are added in their order,
 * and no operation of theirs looks at other tokens.
 */
export function prepareExperts(op: OpNamed<'experts'>, context: OperationContext): Action {
  const { value, width, weights, description, section, scratch } = context;
  const [x, r, y, channels] = [value(op.input), value(op.routing), value(op.output), width(op.input)];
  const experts = Array.from({ length: op.experts }, (_, expert) =>
    section({
      description: describeExpert(description, expert),
      program: op.program,
      ends: { input: op.input },
      contexts: [() => ({ ...context, weights: weightsOfExpert(weights, op, expert) })],
    }),
  );
  const tokensOf = new Int32Array(context.tokens.length);
  return (values, tokens) => {
    const [input, routing, output] = [values[x]!, values[r]!, values[y]!];
    output.fill(0);
    for (const [expert, own] of experts.entries()) {
      let count = 0;
      for (let token = 0; token < tokens; token++) {
        if (routing[token * op.experts + expert]! > 0) tokensOf[count++] = token;
      }
      if (count === 0) continue;
      const buffers = scratch.buffers(own.buffers, count);
      for (let i = 0; i < count; i++) {
        const from = tokensOf[i]! * channels;
        buffers[0]!.set(input.subarray(from, from + channels), i * channels);
      }
      own.run(count, buffers);
      const result = buffers[own.bufferOf(op.output)]!;
      for (let i = 0; i < count; i++) {
        const token = tokensOf[i]!;
        addScaled(
          output,
          token * channels,
          result,
          i * channels,
          channels,
          routing[token * op.experts + expert]!,
        );
      }
    }
  };
}

/** output += share · result, over so many channels; the sums are rounded to f32. */
function addScaled(
  output: Float32Array,
  to: number,
  result: Float32Array,
  from: number,
  channels: number,
  share: number,
): void {
  for (let c = 0; c < channels; c++) output[to + c]! += share * result[from + c]!;
}

/** What the program of an expert finds: its linears and biases, by their names there. */
function weightsOfExpert(
  { linears }: SectionWeights,
  { program }: OpNamed<'experts'>,
  expert: number,
): SectionWeights {
  const own = new Map(
    program.flatMap((op) => {
      const linear = op.op === 'linear' ? linears.get(expertPart(expert, op.linear)) : undefined;
      return op.op === 'linear' && linear !== undefined ? [[op.linear, linear] as const] : [];
    }),
  );
  return { linears: own, vectors: new Map(), tables: new Map() };
}
