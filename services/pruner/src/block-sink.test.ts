import type { PrunedLinear } from '@esparse/dataflow';
import { lastValueFrom, from } from 'rxjs';
import type { Transaction } from '@esparse/store';
import { tinyLlama } from '@esparse/laws';
import { describeModel } from '@esparse/model';
import { identityOrder, maskLinear, packLinear } from '@esparse/sparsity';
import { blockSink } from './block-sink.ts';
import type { RunContext } from './run-context.ts';
import { createStopwatch } from './stopwatch.ts';

const description = describeModel(tinyLlama({}).config);
const reader = {};

/** A sink for a block, the paths of the arrays that it has put, and the taps' readings. */
function sinkOf() {
  const put: string[] = [];
  const transaction = {
    putArray: (path: string) => Promise.resolve(void put.push(path)),
    putGroup: () => Promise.resolve(),
    commit: () => Promise.resolve({ objects: put.length, bytes: 0 }),
  } as unknown as Transaction;
  const context = {
    ...{ description: { ...description, blockTensors: () => [] }, metric: { statistics: { norm: reader } } },
    ...{ stages: [], layers: { dense: () => [] }, options: {}, stopwatch: createStopwatch() },
    writer: { beginBlock: () => transaction, run: {} },
    meter: { busy: () => () => undefined, queue: () => undefined, done: () => undefined },
  } as unknown as RunContext;
  const readings = new Map<string, Map<never, Float32Array>>();
  const see = (tap: string) => {
    const { channels } = description.taps.find(({ name }) => name === tap)!;
    readings.set(tap, new Map([[reader as never, new Float32Array(channels)]]));
  };
  const findings = { block: 0, readings, starved: [], tensors: new Map(), reports: [] };
  const sink = blockSink(context, findings);
  const write = async (name: string) => lastValueFrom(from(sink.write(await linear(name))));
  const takePut = () => put.splice(0).filter((path) => path.includes('norm'));
  return { write, see, takePut, commit: () => lastValueFrom(from(sink.commit())) };
}

async function linear(name: string): Promise<PrunedLinear> {
  const [rows, cols] = [4, 8];
  const [order, pattern] = [identityOrder(cols), { keep: 2, group: 4 }];
  const scores = new Float32Array(rows * cols).fill(1);
  const mask = await maskLinear({ scores, rows, cols }, order, pattern);
  const weights = new Uint16Array(rows * cols);
  const packed = await packLinear({ dtype: 'bf16', weights, rows, cols }, order, mask, pattern);
  return { job: { name }, packed, keptBefore: 1, keptAfter: 1 } as unknown as PrunedLinear;
}

test('statistics of taps are written behind the first linear that comes after them, each once, and the commit is left with none', async () => {
  const { write, see, takePut, commit } = sinkOf();
  see('attn_in');
  see('attn_out');
  await write('q_proj');
  expect(takePut()).toEqual(['attn_in/norm', 'attn_out/norm']);
  await write('k_proj');
  expect(takePut()).toEqual([]);
  // Those of experts that are gathered after others.
  see('mlp_in');
  await write('up_proj');
  expect(takePut()).toEqual(['mlp_in/norm']);
  await commit();
  expect(takePut()).toEqual([]);
});

test('the commit writes those of a block of which no linear was pruned', async () => {
  const { see, takePut, commit } = sinkOf();
  see('mlp_out');
  await commit();
  expect(takePut()).toEqual(['mlp_out/norm']);
});
