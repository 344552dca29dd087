/**
 * A model family of one's own: a LLaMA whose attention and feed-forward part stand side by side, as in GPT-J. Both read
 * the same norm, and their results are added. A new shape of known operations is this one file.
 *
 *   npx esparse prune --family examples/plugins/parallel-llama.ts --model path/to/ParallelLlama \
 *     --calibration examples/text/calibration.txt --store out/parallel.zarr
 *   npx esparse serve --family examples/plugins/parallel-llama.ts --store out/parallel.zarr
 */
import {
  BLOCK_INPUT,
  BLOCK_OUTPUT,
  defineFamily,
  describeLlamaDecoder,
  LLAMA_FIELDS,
  z,
  type BlockOp,
} from '@esparse/api';

/** What all linears but the two last ones of each part read. */
const BLOCK_TAP = 'block_in';
const NORM = 'input_layernorm';

export default defineFamily({
  name: 'parallel-llama',
  architectures: ['ParallelLlamaForCausalLM'],
  modelTypes: ['parallel_llama'],
  config: z.object(LLAMA_FIELDS),
  describe(config) {
    // Sizes, names of tensors, rotary embedding, final norm and head are LLaMA's.
    const llama = describeLlamaDecoder(config, { biased: new Set() });
    const reads = (tap: string) => (tap === 'attn_in' || tap === 'mlp_in' ? BLOCK_TAP : tap);
    return {
      ...llama,
      taps: [
        { name: BLOCK_TAP, channels: llama.hidden },
        ...llama.taps.filter(({ name }) => name === 'attn_out' || name === 'mlp_out'),
      ],
      linears: llama.linears.map((linear) => ({ ...linear, tap: reads(linear.tap) })),
      blockTensors: (block) => llama.blockTensors(block).filter(({ slot }) => slot === NORM),
      program: { ...llama.program, blocks: llama.program.blocks.map(sideBySide) },
    };
  },
});

/** LLaMA's operations with the second norm gone, its readers at the first one, and both sums at the end. */
function sideBySide(block: readonly BlockOp[]): BlockOp[] {
  const parts = block.flatMap((op): BlockOp[] => {
    if (op.op === 'rmsNorm') return op.weight === NORM ? [{ ...op, output: BLOCK_TAP }] : [];
    if (op.op === 'add') return [];
    if (op.op === 'linear' && (op.input === 'attn_in' || op.input === 'mlp_in'))
      return [{ ...op, input: BLOCK_TAP }];
    return [op];
  });
  return [
    ...parts,
    { op: 'add', left: BLOCK_INPUT, right: 'attn_delta', output: 'middle' },
    { op: 'add', left: 'middle', right: 'mlp_delta', output: BLOCK_OUTPUT },
  ];
}
