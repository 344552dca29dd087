import { choice } from '../dom.ts';

/** Chooses one of some blocks, which are named by their numbers. */
export function blockChoice(blocks: readonly number[], onChoice: (block: number) => void): HTMLLabelElement {
  return choice(
    'Block',
    blocks.map((block) => [String(block), String(block)] as const),
    (value) => {
      onChoice(Number(value));
    },
  );
}
