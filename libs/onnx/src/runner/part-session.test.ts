import { someTokens, tinyLlama } from '@esparse/laws';
import { BLOCK_INPUT, BLOCK_OUTPUT, describeModel } from '@esparse/model';
import { readParameters } from './block-parameters.ts';
import { blockPart } from '../graph/model-parts.ts';
import { lazySession, type LazySession } from './part-session.ts';
import { embedTokens } from './embed.ts';
import type { Value } from '../device/session.ts';

const ROWS = 24;

async function prepared(block: number) {
  const { config, weights } = tinyLlama();
  const description = describeModel(config);
  const data = await embedTokens(description, weights, someTokens(ROWS, config.vocab_size), ROWS);
  const parameters = await readParameters(description, block, weights, (value) => Promise.resolve(value));
  return { description, parameters, hidden: { data, shape: [ROWS, description.hidden] } };
}

const outputOf = async (session: LazySession, hidden: Value, parameters: ReadonlyMap<string, Value>) =>
  (await session.run(new Map([[BLOCK_INPUT, hidden]]), parameters)).get(BLOCK_OUTPUT)!.data;

test('a session whose weights are constants computes what one computes that is given them at each run', async () => {
  const { description, parameters, hidden } = await prepared(1);
  const part = blockPart(description, 0);
  const shared = {
    rows: ROWS,
    values: [BLOCK_OUTPUT],
    device: 'cpu',
    threads: 1,
  } as const;
  const own = lazySession({ ...shared, part: { ...part, binding: 'constants' } });
  const common = lazySession({ ...shared, part });
  const values = parameters as ReadonlyMap<string, Value>;
  const found = await outputOf(own, hidden, values);
  const expected = await outputOf(common, hidden, values);
  const largest = Math.max(...expected.map(Math.abs));
  found.forEach((value, i) => {
    expect(Math.abs(value - expected[i]!)).toBeLessThan(1e-5 * largest);
  });
  // What came with the first run stays: the weights of another block are not looked at.
  expect(await outputOf(own, hidden, new Map())).toEqual(found);
  await Promise.all([own.release(), common.release()]);
});
