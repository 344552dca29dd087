import { describeModel, linearsOf, weightSlot } from '@esparse/model';
import type { TunedParameter } from '../tune-block.ts';
import { planBlock } from './pass.ts';
import { findRoom } from './room.ts';

const description = describeModel({
  ...{ model_type: 'llama', hidden_size: 64, intermediate_size: 128, num_hidden_layers: 1, vocab_size: 64 },
  ...{ num_attention_heads: 4, rms_norm_eps: 1e-5, hidden_act: 'silu', max_position_embeddings: 64 },
});
const plan = planBlock(description, 0);
const parameters = new Map<string, TunedParameter>(
  linearsOf(description, 0).map(({ name, rows, cols }) => [
    weightSlot(name),
    { values: new Float32Array(rows * cols), dtype: 'bf16' },
  ]),
);
const asked = { parameters, sequences: 200, seqlen: 32, batch: 12 };
/** Nothing is used of the first 32 MiB, which products work in. */
const room = (bytes: number) => findRoom(plan, asked, 2 ** 25 + bytes);

test('a batch goes through the block at once as long as it fits, then in the fewest equal parts; states stay with the host last', () => {
  const all = room(2 ** 30);
  expect(all).toMatchObject({ atOnce: 12, resident: true });
  const seen: string[] = [];
  for (let bytes = 1.2 * all.bytes; bytes > 0; bytes -= all.bytes / 2000) {
    let found: string;
    try {
      const { atOnce, resident, bytes: used } = room(bytes);
      expect(used).toBeLessThanOrEqual(bytes);
      found = `${atOnce} ${resident ? 'there' : 'here'}`;
    } catch {
      found = 'none';
    }
    if (seen.at(-1) !== found) seen.push(found);
  }
  expect(seen.slice(0, 3)).toEqual(['12 there', '6 there', '4 there']);
  expect(seen.slice(-2)).toEqual(['1 here', 'none']);
  // Parts are smaller again where states are with the host: that is slower than more parts.
  expect(seen.indexOf('1 there')).toBeLessThan(seen.findIndex((found) => found.endsWith(' here')));
});

test('what has no room says what it needs', () => {
  expect(() => room(1)).toThrow(/tuning a block of this llama model takes .* GiB of the GPU's memory/);
});
