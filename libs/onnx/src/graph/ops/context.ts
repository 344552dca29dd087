import type { ModelDescription, RopeTables } from '@esparse/model';
import type { GraphBuilder } from '../builder.ts';

/** What an operation's emitter needs besides the operation itself. */
export interface EmitContext {
  readonly graph: GraphBuilder;
  readonly description: ModelDescription;
  /** Rows of a run: tokens of one sequence. */
  readonly rows: number;
  /** The graph input, or constant, of a parameter: declared at its first use. */
  readonly parameter: (slot: string) => string;
  /** The rotary tables as constants of the graph: stored at their first use. */
  readonly rope: () => { readonly [K in keyof RopeTables]: string };
}
