import { describeExpert, expertPart } from '../expert.ts';
import type { BlockOp } from './index.ts';
import type { EmitContext, Operation } from './operation.ts';
import { renaming } from './renaming.ts';

/**
 * A mixture of experts: `output = Σ share of e · expert e(input)` over the experts that a token is routed to. All experts
 * have the same program; the linears and taps that it names are those of each: 'gate_proj' is 'experts.3.gate_proj' of the
 * fourth (see `expertPart`).
 */
export interface ExpertsOp {
  readonly op: 'experts';
  /** Also what the experts' program begins with: the rows of the tokens that are routed there. */
  readonly input: string;
  /** (rows x experts): how much each expert counts for each token, zero where it is not asked. */
  readonly routing: string;
  /** (rows x channels of the input); also what the experts' program ends with. */
  readonly output: string;
  readonly experts: number;
  readonly program: readonly BlockOp[];
}

export const experts = {
  part: 'block',
  inputs: ({ input, routing }) => [input, routing],
  width: ({ input }, { widthOf }) => widthOf(input),
  /**
   * All experts in one graph, whose weights are all in memory then: for a graph that stands alone. The block runner makes
   * one of the experts' program instead, and runs it expert by expert.
   */
  emit(op, context): void {
    const { graph, rows } = context;
    let sum = graph.node('Mul', [op.input, graph.constant(0)]);
    for (let expert = 0; expert < op.experts; expert++) {
      const share = graph.node('Gather', [op.routing, graph.integers([expert])], { axis: 1 });
      const tokens = graph.node('NonZero', [graph.reshape(share, [rows])]);
      const places = graph.node('Transpose', [tokens], { perm: [1, 0] });
      const input = graph.node('GatherND', [op.input, places]);
      const result = emitExpert(op, expert, input, context);
      const weighted = graph.node('Mul', [result, graph.node('GatherND', [share, places])]);
      const output = expert === op.experts - 1 ? [op.output] : undefined;
      sum = graph.node('ScatterND', [sum, places, weighted], { reduction: { word: 'add' } }, output);
    }
  },
} satisfies Operation<ExpertsOp>;

/** Adds the nodes of one expert; the values of its program get names of their own. */
function emitExpert(op: ExpertsOp, expert: number, input: string, context: EmitContext): string {
  const values = new Set(op.program.map(({ output }) => output));
  const rename = (name: string) => {
    if (name === op.input) return input;
    return values.has(name) ? expertPart(expert, name) : name;
  };
  const within: EmitContext = {
    ...context,
    description: describeExpert(context.description, expert),
    parameter: (slot) => context.parameter(expertPart(expert, slot)),
    graph: renaming(context.graph, rename),
  };
  for (const each of op.program) context.emit(each, within);
  return rename(op.output);
}
