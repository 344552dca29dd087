import { neededFor, operationOf } from '@esparse/model';
import type { Dimension } from './builder.ts';
import { openProgramWriter, type ProgramPart } from './program-writer.ts';

/** A graph of a part of a program, for sequences of one length or, where its rows are not known, of any. */
export interface ProgramGraph {
  /** The ONNX file: no weights in it. */
  readonly bytes: Uint8Array;
  /** The slots that it reads, as graph inputs, and their shapes. */
  readonly parameters: ReadonlyMap<string, readonly number[]>;
  /** Its outputs and their shapes: rows, where they are known, and channels. */
  readonly outputs: ReadonlyMap<string, readonly [rows: Dimension, channels: number]>;
}

/**
 * Writes a part of a program as an ONNX graph that computes some of its values.
 * @param rows tokens of a run; 'tokens' where each run has another number, as an expert's
 * @param values what is wanted; operations that they do not need are left out
 */
export function buildProgramGraph(
  part: ProgramPart,
  rows: number | 'tokens',
  values: readonly string[],
): ProgramGraph {
  const { graph, context, parameters } = openProgramWriter(part, rows);
  for (const op of neededFor(part.program, values)) operationOf(op).emit(op, context);
  const outputs = new Map<string, readonly [Dimension, number]>();
  for (const value of values) {
    const shape = [rows, context.width(value)] as const;
    outputs.set(value, shape);
    graph.output(value, shape);
  }
  return { bytes: graph.toBytes(), parameters, outputs };
}
