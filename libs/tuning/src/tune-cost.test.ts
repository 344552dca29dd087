import { tune } from './tune.ts';
import { TUNING_PIECE_BYTES } from './tuning-memory.ts';

const BLOCK = { weights: 1e6, others: 1e3, values: 1e4, hidden: 512, sequences: 128, seqlen: 512 };

afterEach(() => {
  Reflect.deleteProperty(process.env, 'ESPARSE_TUNING_MEMORY');
});

test('more steps and larger batches take more time, and no more memory', () => {
  const of = (options: object) => tune(options).cost!(BLOCK);
  expect(of({ steps: 200 }).flops).toBeGreaterThan(1.9 * of({ steps: 100 }).flops!);
  expect(of({ batch: 32 }).flops).toBeGreaterThan(1.9 * of({ batch: 16 }).flops!);
  expect(of({ steps: 200, batch: 32 }).worker).toBe(of({}).worker);
  expect(of({ steps: 0 })).toEqual({});
});

test('windows lie in memory as far as it may be used for them, and in a file beyond', () => {
  const windows = 2 * 4 * 128 * 512 * 512;
  const all = tune().cost!(BLOCK);
  process.env.ESPARSE_TUNING_MEMORY = '0';
  const none = tune().cost!(BLOCK);
  expect([all.file, none.file]).toEqual([0, windows]);
  // A piece of the file is in memory while it is written.
  expect(all.worker! - none.worker!).toBe(windows - TUNING_PIECE_BYTES);
  expect(tune({ samples: 64 }).cost!(BLOCK).file).toBe(windows / 2);
});
