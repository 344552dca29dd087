import { BLOCK_INPUT, BLOCK_OUTPUT, slotShapes, type ModelDescription } from '@esparse/model';
import type { ProgramPart } from './program-writer.ts';

/**
 * A block: from `BLOCK_INPUT` to `BLOCK_OUTPUT`, by way of the taps.
 * @param kind index in the program's `blocks`
 */
export function blockPart(description: ModelDescription, kind: number): ProgramPart {
  return {
    name: 'block',
    description,
    program: description.program.blocks[kind]!,
    given: { [BLOCK_INPUT]: description.hidden },
    slots: slotShapes(description, kind),
  };
}

/** What comes before the first block. The rows that its embeddings look up are inputs of the graph. */
export function embedPart(description: ModelDescription): ProgramPart {
  return {
    name: 'embed',
    description,
    program: description.program.embed,
    given: {},
    slots: outerShapes(description),
  };
}

/** What comes after the last block: from its output to the logits. */
export function headPart(description: ModelDescription): ProgramPart {
  return {
    name: 'head',
    description,
    program: description.program.head,
    given: { [BLOCK_OUTPUT]: description.hidden },
    slots: outerShapes(description),
  };
}

function outerShapes({ outerTensors }: ModelDescription): ReadonlyMap<string, readonly number[]> {
  return new Map(outerTensors.map(({ name, shape }) => [name, shape]));
}
