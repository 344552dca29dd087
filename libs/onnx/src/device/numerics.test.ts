import { instructionSet } from './instruction-set.ts';
import { numericsId } from './numerics.ts';

test('the numerics id names runtime, provider, instruction set, rows and version of the graph', async () => {
  expect(await numericsId(512)).toMatch(/^onnxruntime-\d+\.\d+\.\d+\/cpu\/[a-z0-9]+\/rows-512\/graph-\d+$/);
  expect(await numericsId(512)).toContain(`/${instructionSet()}/`);
  expect(await numericsId(512, undefined, 64)).toMatch(/\/rows-512\/threads-64\/graph-\d+$/);
});
