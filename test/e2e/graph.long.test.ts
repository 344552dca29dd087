import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { graphFile } from '@esparse/checkpoint';
import { startS3Server } from '@esparse/s3-server';
import { openObjects } from '@esparse/storage';
import { esparse, esparseJson, esparseUntil } from '../support/esparse.ts';
import { contentsOf, scratchFolder } from '../support/folders.ts';
import {
  floats,
  npzOf,
  numbers,
  pruneSmallRun,
  smallGraph,
  smallNetwork,
  writeSmallRun,
} from '../support/small-graph.ts';
import { startWorkerProcess } from '../support/workers.ts';

const at = scratchFolder();
/** More than one shard has. */
const SAMPLES = 1100;
const model = () => at('net.onnx');
const prune = (store: string, ...args: string[]) =>
  pruneSmallRun(at(), store, '--samples', `${SAMPLES}`, ...args);

beforeAll(async () => {
  await writeSmallRun(at(), SAMPLES);
  await esparseJson(...prune('whole', '--pattern', '2:4'));
});

test('equal runs give byte-identical stores: other threads, folded by the worker, on two workers, and after a kill', async () => {
  const whole = await contentsOf(at('whole'));
  const started = (await esparse(...prune('whole', '--json'))).stdout.split('\n')[0]!;
  expect((JSON.parse(started) as { shards: number }).shards).toBeGreaterThan(1);
  await esparseJson(...prune('threads', '--threads', '1'));
  expect(await contentsOf(at('threads'))).toEqual(whole);
  await esparseJson(...prune('combined', '--combine', 'worker'));
  expect(await contentsOf(at('combined'))).toEqual(whole);
  const roots = ['--root', at('')];
  const workers = await Promise.all([startWorkerProcess(...roots), startWorkerProcess(...roots)]);
  await esparseJson(...prune('two', '--worker', workers.map(({ address }) => address).join(',')));
  await Promise.all(workers.map((worker) => worker.end('SIGTERM')));
  expect(await contentsOf(at('two'))).toEqual(whole);
  const killed = await esparseUntil(
    (line) => line.includes('"committed"') && line.includes('"block":1'),
    ...prune('killed', '--json'),
  );
  killed.kill('SIGKILL');
  await once(killed, 'exit');
  const { stdout } = await esparse(...prune('killed', '--json'));
  expect(stdout).toContain('going on after block');
  expect(await contentsOf(at('killed'))).toEqual(whole);
});

test('a graph in a bucket pruned into a bucket is exported to the file that a folder gives', async () => {
  const s3 = await startS3Server();
  const environment = { ...process.env };
  Object.assign(process.env, s3.environment, { XDG_CACHE_HOME: at('caches') });
  try {
    const [net, store] = [`s3://${s3.bucket}/models/net.onnx`, `s3://${s3.bucket}/stores/net`];
    await (await openObjects(`s3://${s3.bucket}/models`)).put('net.onnx', [smallGraph()]);
    const data = ['--calibration', at('data.npz'), '--samples', '20'];
    await esparseJson('prune', '--model', net, ...data, '--store', store);
    await esparseJson('prune', '--model', model(), ...data, '--store', at('few'));
    const exported = async (from: string, out: string) => {
      await esparseJson('export', '--store', from, '--format', 'onnx', '--fold', '--out', at(out));
      return readFile(at(out));
    };
    expect(Buffer.compare(await exported(store, 's3.onnx'), await exported(at('few'), 'few.onnx'))).toBe(0);
  } finally {
    process.env = environment;
    await s3.stop();
  }
});

const refused = async (
  file: Uint8Array | string,
  data: Uint8Array | string,
  words: string,
  ...args: string[]
) => {
  if (typeof file !== 'string') await writeFile(at('bad.onnx'), file);
  if (typeof data !== 'string') await writeFile(at('bad.npz'), data);
  const { code, stderr } = await esparse(
    ...['prune', '--model', typeof file === 'string' ? file : at('bad.onnx')],
    ...['--calibration', typeof data === 'string' ? data : at('bad.npz'), '--store', at('bad'), ...args],
  );
  expect(stderr).toContain(words);
  expect(code).toBe(2);
};

test('a graph that cannot be pruned is refused with exit code 2', async () => {
  const network = smallNetwork();
  const data = at('data.npz');
  await refused(smallGraph().subarray(0, 5000), data, 'is no ONNX file, or is cut short');
  await refused(
    graphFile({ ...network, nodes: network.nodes.toReversed() }),
    data,
    'which nothing before it gives',
  );
  await refused(graphFile(network, 3), data, 'is of opset 3: 7 to');
  const odd = { shape: [6, 4], data: new Float32Array(24).fill(1) };
  const matrix = { op: 'MatMul', inputs: ['x', 'w'], outputs: ['y'] };
  const narrow = { inputs: [{ name: 'x', shape: ['batch', 6] }], constants: { w: odd }, nodes: [matrix] };
  const six = npzOf({ x: floats(numbers(6, 1), 1, 6) });
  await refused(graphFile({ ...narrow, outputs: ['y'] }), six, 'would be pruned to 2:4');
  const unknown = { op: 'Nonsense', inputs: ['y'], outputs: ['z'] };
  const more = { op: 'MatMul', inputs: ['z', 'v'], outputs: ['end'] };
  const [w, v] = [1, 2].map((seed) => ({ shape: [8, 8], data: numbers(64, seed) }));
  const asked = { inputs: [{ name: 'x', shape: ['batch', 8] }], constants: { w: w!, v: v! } };
  await refused(
    graphFile({ ...asked, nodes: [matrix, unknown, more], outputs: ['end'] }),
    npzOf({ x: floats(numbers(8, 1), 1, 8) }),
    'every operator that is run must be one of ONNX Runtime',
  );
  const relu = { op: 'Relu', inputs: ['x'], outputs: ['y'] };
  await refused(graphFile({ ...network, nodes: [relu] }), data, 'has no weights that can be pruned');
  const outside = {
    shape: [16, 4, 3, 3],
    data: new Float32Array(576),
    external: { location: '../w.bin', offset: 0 },
  };
  await refused(
    graphFile({ ...network, constants: { ...network.constants, w1: outside } }),
    data,
    "lies outside the graph's folder",
  );
  await refused(model(), data, 'is not for graphs', '--pipeline', 'e-sparse-tune');
});

test('data that do not fit are refused with exit code 2, before anything is written', async () => {
  const x = floats(numbers(256, 1), 1, 4, 8, 8);
  await refused(model(), npzOf({ picture: x }), "no input 'picture'");
  await refused(model(), npzOf({ x: floats(numbers(256, 1), 1, 8, 4, 8) }), "array 'x' is [1,8,4,8]");
  await refused(model(), npzOf({ x: { ...x, type: 6 } }), 'is of int32, and the graph takes float32');
  await refused(
    model(),
    npzOf({ x: floats(numbers(256, 1).fill(NaN, 3, 4), 1, 4, 8, 8) }),
    'NaN or infinite',
  );
  await refused(model(), Buffer.from(npzOf({ x })).subarray(0, 800), 'is no .npz file, or is cut short');
  await refused(model(), at('none.npz'), 'cannot be read');
});
