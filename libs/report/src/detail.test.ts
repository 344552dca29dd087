import { describeModel } from '@esparse/model';
import { detailOf } from './detail.ts';

const llama = (hidden: number, intermediate: number, blocks: number) =>
  describeModel({
    model_type: 'llama',
    hidden_size: hidden,
    intermediate_size: intermediate,
    num_hidden_layers: blocks,
    num_attention_heads: hidden / 64,
    num_key_value_heads: hidden / 64,
    vocab_size: 2048,
    max_position_embeddings: 2048,
    rms_norm_eps: 1e-5,
    tie_word_embeddings: true,
  });

test('of a small model, every weight of every block is shown', () => {
  const detail = detailOf(llama(192, 512, 4));
  expect(detail.everyBlock).toBe(1);
  expect(detail.tilesOf(3, 'up_proj', 32)).toEqual(Array.from({ length: 32 }, (_, tile) => tile));
});

test('of 32 blocks of 4096 and 11008 channels, every channel is shown, and some rows of each mask', () => {
  const detail = detailOf(llama(4096, 11008, 32), (linear) => linear === 'blocks.5.down_proj');
  expect(detail.everyBlock).toBe(1);
  expect(detail.tilesOf(5, 'q_proj', 256)).toEqual([0]);
  // That was asked for.
  expect(detail.tilesOf(5, 'down_proj', 256)).toHaveLength(256);
});

test('of a larger model, some blocks are shown by their channels', () => {
  const { everyBlock, covers } = detailOf(llama(8192, 28672, 80));
  expect(everyBlock).toBeGreaterThan(1);
  expect(Array.from({ length: everyBlock + 1 }, (_, block) => covers(block)).filter(Boolean)).toHaveLength(2);
});

test('all channels of a small model have histograms and tokens; of a large one the same share of each tap', () => {
  expect(detailOf(llama(64, 96, 2)).channelsOf(96)).toBe(96);
  const large = detailOf(llama(4096, 11_008, 32));
  const shown = 32 * (3 * large.channelsOf(4096) + large.channelsOf(11_008));
  expect(shown).toBeGreaterThan(5_500);
  expect(shown).toBeLessThanOrEqual(6_000);
});
