import { fakeDriver, runWithAddon } from './testing/fake-driver.ts';

const driver = fakeDriver();
afterAll(() => {
  driver.remove();
});

/** What a decoder is made of, in JavaScript. */
interface Walked {
  /** Rows of a head, stored and on the device. */
  readonly headDims: readonly [stored: number, device: number];
  readonly kinds: string;
  /** Rows of q, k and v, by `order` and `filled`. */
  readonly rows: string;
  readonly outer?: string;
  /** Of attention, and of the MLP, by `channels`. */
  readonly part: string;
  /** Of both blocks, and of the second. */
  readonly block?: string;
  readonly heads: string;
}

/** Opens a small decoder, runs it with one token and with several, and says how it ended. */
const walkOf = ({ headDims: [stored, device], kinds, rows, outer = '', part, block = '', heads }: Walked) => `
const sizes = { hidden: 252, inner: 372, layers: 4, heads: 4, kvHeads: 2, headDim: ${stored}, deviceHeadDim: ${device}, vocab: 501 };
const numbers = { epsilon: 1e-5, headEpsilon: 1e-5, afterEpsilon: 1e-5, embeddingFactor: 2, scale: 0.125 };
const shape = { ...sizes, ...numbers, alpha: 1, limit: 7, experts: 0, top: 0, normalises: false, sinks: false, ${kinds} };
const order = (n) => Int32Array.from({ length: n }, (_, i) => n - 1 - i);
const filled = (heads) => Int32Array.from({ length: heads * ${device} }, (_, i) => (i % ${device} < ${stored} ? Math.floor(i / ${device}) * ${stored} + (i % ${device}) : -1));
const tiled = (rows) => Math.ceil(rows / 16) * 16;
const sparse = (rows, cols) => ({ rows, cols, values: new Uint16Array(tiled(rows) * cols / 2), indices: new Uint8Array(tiled(rows) * cols / 8), permutation: order(cols) });
const dense = (rows, cols) => ({ rows, cols, values: new Uint16Array(rows * cols) });
// Survivors of 4 bits with a scale for 16 or 32 of them, all weights of 8 bits with one for 32, all scales 1.
const integers = (bits, pruned, span) => (rows, cols) => {
  const survivors = pruned ? cols / 2 : cols, sixteens = Math.ceil(survivors / 16), tiles = Math.ceil(rows / 16);
  const spans = Math.ceil((pruned ? cols / 4 : cols) / span);
  return {
    rows, cols, bits, span,
    values: new Uint8Array(tiles * sixteens * bits / 2 * 64),
    scales: new Uint16Array(tiles * spans * 16).fill(0x3f80),
    ...(pruned && { indices: new Uint8Array(tiles * sixteens * 64), permutation: order(cols) }),
  };
};
const linears = (make) => [make(${4 * stored}, 252), make(${2 * stored}, 252), make(${2 * stored}, 252), make(252, ${4 * stored}), make(372, 252), shape.gated ? make(372, 252) : undefined, make(252, 372)];
let decoder;
try {
  decoder = new CudaDecoder(0);
  const prefills = decoder.begin(shape, 4, ptx, 1 << 20, 200);
  const channels = new Float32Array(252);
  decoder.outer({ embedding: dense(501, 252), norm: channels, rotary: new Float32Array(256 * ${device}), tables: 2, rows: ${rows}, ${outer} });
  const part = ${part};
  const parts = { attention: part, mlp: part, ${block} };
  decoder.block(0, parts, linears(sparse));
  decoder.block(1, { ...parts, window: 9, rotary: 1, ${heads} }, linears(dense));
  decoder.block(2, parts, linears(integers(4, true, 16)));
  decoder.block(3, parts, [...linears(integers(8, false, 32)).slice(0, 4), ...linears(integers(4, true, 8)).slice(4)]);
  const { pages } = decoder.finish(0);
  const inputs = new Int32Array(64 * 7);
  for (const rows of [1, 2, 3, 5, 16, 17, 64, 1]) {
    for (const several of [false, true]) decoder.run(inputs, rows, { several, head: true });
  }
  const piece = (count, position, pages) => ({ tokens: new Uint32Array(count), position, pages: new Int32Array(pages) });
  if (prefills) {
    decoder.prefill([piece(1, 0, 1), piece(70, 63, 3), piece(129, 0, 4)]);
    decoder.head(Int32Array.of(0, 70, 199), { head: true });
  }
  // Tokens that are sampled, and told of: two of three rows have the tokens so far.
  const choices = new Uint8Array(3 * 80);
  [0, 2].forEach((row) => new DataView(choices.buffer).setInt32(row * 80 + 56, 5, true));
  const histories = [new Uint32Array(5), undefined, new Uint32Array(5)];
  const wants = { head: true, likeliest: true, samples: true, reports: true };
  decoder.run(inputs, 3, wants, choices, histories);
  decoder.run(inputs, 3, { ...wants, penalties: true }, choices, histories);
  if (prefills) decoder.head(Int32Array.of(0, 70, 199), wants, choices, histories);
  decoder.report(2, new Uint8Array(392));
  decoder.wait();
  const { graphs, launches, memoryUsed } = decoder.usage();
  if (graphs < 8 || launches[4] < 4 || !(memoryUsed > 1e6)) throw new Error('usage');
  if (decoder.facts().readBandwidth !== 1.024e12) throw new Error('bandwidth');
  if (decoder.chosen(2) !== 0) throw new Error('another token than the driver has');
  decoder.logits(0, new Float32Array(501));
  console.log(pages > 0 ? 'ran' : 'no pages');
} catch (error) {
  console.log(JSON.stringify({ kind: error.kind, message: error.message, hint: error.hint, lost: error.lost }));
}
decoder?.close();
`;

const WALK = walkOf({
  headDims: [64, 64],
  kinds: 'norm: 1, lastNorm: 1, headNorm: 1, activation: 0, normsAfter: false, biased: false, gated: true',
  rows: '[order(256), order(128), undefined]',
  part: '{ before: channels }',
  heads: 'bias: new Float32Array(512), query: new Float32Array(64), key: new Float32Array(64)',
});

/** All that there is of norms, biases and positions, heads that are filled up, and an MLP without a gate. */
const OTHER = walkOf({
  headDims: [80, 128],
  kinds: 'norm: 2, lastNorm: 2, headNorm: 2, activation: 2, normsAfter: true, biased: true, gated: false',
  rows: '[filled(4), filled(2), filled(2)]',
  outer: 'shift: channels, positions: new Uint16Array(256 * 252)',
  part: '{ before: channels, shift: channels, bias: channels, after: channels }',
  block: 'query: new Float32Array(512), key: new Float32Array(256)',
  heads: 'bias: new Float32Array(1024), innerBias: new Float32Array(372)',
});

const walk = (faults = '') => runWithAddon(WALK, driver.environment(faults));
const failure = (faults: string) => JSON.parse(walk(faults).out) as Record<string, unknown>;

const NOTHING = {
  ...{
    allocations: 0,
    bytes: 0,
    pinned: 0,
    streams: 0,
    events: 0,
    graphs: 0,
    execs: 0,
    modules: 0,
    contexts: 0,
  },
};

test('a decoder is loaded and run through the driver alone, by kernels of the PTX, and gives everything back', () => {
  const { status, out } = walk();
  expect(out).toBe('ran\n');
  expect(status).toBe(0);
  expect(driver.held()).toMatchObject(NOTHING);
  const looked = driver.held().kernels.map((name) => /esparse\d+([a-z_]+?)(?:I|E)/.exec(name)?.[1]);
  expect(new Set(looked)).toEqual(
    new Set([
      ...[
        'append_positions',
        'attend_heads',
        'attend_splits',
        'embed',
        'norm',
        'linear',
        'linear_wide',
        'linear_widest',
        'swiglu',
        'digitise',
        'argmax_parts',
        'argmax',
      ],
      ...['check_positions', 'repack_sparse', 'repack_dense'],
      ...['check_integer_positions', 'check_scales', 'repack_integers'],
      ...[
        'count_history',
        'score_parts',
        'weigh_parts',
        'gather_candidates',
        'choose',
        'report_parts',
        'report',
      ],
      ...['norm_rows', 'prefill_linear', 'append', 'attend_chunk', 'shuffle'],
    ]),
  );
});

test('norms behind the parts, layer norms, learned positions, biases and heads that are filled up have kernels, too', () => {
  const { status, out } = runWithAddon(OTHER, driver.environment(''));
  expect([out, status]).toEqual(['ran\n', 0]);
  expect(driver.held()).toMatchObject(NOTHING);
  const looked = driver.held().kernels.join();
  for (const name of ['4joinE', '10norm_headsE', '13activate_sumsI', '13attend_splitsILi128E'])
    expect(looked).toContain(name);
  // Those of prefill are for what they know.
  expect(looked).not.toContain('prefill');
});

test('before Hopper a decoder runs by the kernels that are compiled for that, as on any GPU that is asked to', () => {
  const images = [driver.environment('major=8'), { ...driver.environment(''), ESPARSE_CUDA_IMAGE: 'sm_80' }];
  for (const environment of images) {
    expect(runWithAddon(WALK, environment, 80)).toEqual({ out: 'ran\n', status: 0 });
    expect(driver.held()).toMatchObject(NOTHING);
    const looked = driver.held().kernels.join();
    expect(looked).toContain('linear_wideINS_6SparseELi32E');
    // There is no room for these, and prompts go through the products of warps.
    expect(looked).not.toMatch(
      /linear_wideINS_\w+ELi64E|6linearINS_\w+?ELi8ELi|14prefill_linearI|12attend_chunkI/,
    );
    for (const name of [
      'prefill_linear_mmaINS_6Sparse',
      'prefill_linear_mmaINS_5Dense',
      'attend_chunk_mma',
      'norm_rows',
    ]) {
      expect(looked).toContain(name);
    }
  }
  const other = runWithAddon(WALK, { ...driver.environment(''), ESPARSE_CUDA_IMAGE: 'sm_90a' });
  expect(JSON.parse(other.out)).toMatchObject({ kind: 'usage', message: "ESPARSE_CUDA_IMAGE is 'sm_90a'" });
});

/** Runs rows of sequences, each given as its number, position and token, and what is wanted of them. */
const steps = (calls: string) =>
  WALK.replace(
    / {2}const inputs = [^]*? {2}console/,
    `
  const run = (rows, wants, choices, histories) => {
    const inputs = new Int32Array(64 * 7);
    rows.forEach(([sequence, position, token], i) => { inputs[i] = token; inputs[64 + i] = position; inputs[128 + i] = sequence; });
    decoder.run(inputs, rows.length, { head: true, likeliest: true, continues: true, ...wants }, choices, histories);
    decoder.wait();
  };
  ${calls}
  console`,
  );

test('the step after one that goes on is begun by the device: graphs are launched once for each step', () => {
  // The driver computes nothing: token 0 is the likeliest of all.
  const launched = (calls: string) => {
    expect(runWithAddon(steps(calls), driver.environment('')).out).toBe('ran\n');
    return driver.held().launched;
  };
  const follow = 'run([[1, 5, 9], [2, 7, 9]]); run([[1, 6, 0], [2, 8, 0]]);';
  expect(launched('run([[1, 5, 9]]);')).toBe(1);
  // The second step follows the first: the third is begun with it, and the fourth with the third.
  expect(launched(follow)).toBe(3);
  expect(launched(`${follow} run([[1, 7, 0], [2, 9, 0]]);`)).toBe(4);
  // A sequence has ended: what was begun serves the other one, and nothing more is begun.
  expect(launched(`${follow} run([[2, 9, 0]]);`)).toBe(3);
  // Another token, another sequence, logits that the host wants to see: a step of their own.
  expect(launched(`${follow} run([[1, 7, 3], [2, 9, 0]]);`)).toBe(4);
  expect(launched(`${follow} run([[1, 7, 0], [3, 9, 0]]);`)).toBe(4);
  expect(launched(`${follow} run([[1, 7, 0], [2, 9, 0]], { likeliest: false, continues: false });`)).toBe(4);
  // Sampled tokens go on the same way.
  const how = '{ samples: true }, new Uint8Array(160), []';
  const sampled = `run([[1, 5, 9], [2, 7, 9]], ${how}); run([[1, 6, 0], [2, 8, 0]], ${how});`;
  expect(launched(`${sampled} run([[1, 7, 0], [2, 9, 0]], ${how});`)).toBe(4);
  expect(launched(`${sampled} run([[2, 9, 0]], { samples: true }, new Uint8Array(80), []);`)).toBe(3);
  // Steps in turn do not follow each other.
  expect(launched('run([[1, 5, 9]]); run([[2, 7, 9]]); run([[1, 6, 0]]); run([[2, 8, 0]]);')).toBe(4);
});

test('what a machine lacks is said, each with what it needs', () => {
  const without = runWithAddon(WALK, driver.without());
  expect(JSON.parse(without.out)).toMatchObject({
    kind: 'unsupported',
    message: expect.stringContaining('no NVIDIA driver'),
    hint: expect.stringContaining('--gpus all'),
  });
  for (const [fault, message] of [
    ['version=12040', 'serves CUDA 12.4'],
    ['cuInit=100', 'finds no GPU'],
    ['cuInit=802', 'does not start'],
    ['major=7', 'older than what the kernels run on'],
    ['shared=101376', '99 KB of shared memory a block, and the kernels need 227'],
    ['major=8 shared=101376', '99 KB of shared memory a block, and the kernels need 163'],
    ['memory=1000000', 'the model needs'],
    ['cuModuleLoadDataEx=222', 'cannot load the kernels'],
  ] as const) {
    expect(failure(fault)).toMatchObject({ kind: 'unsupported', message: expect.stringContaining(message) });
  }
  expect(failure('count=0')).toMatchObject({
    kind: 'usage',
    message: expect.stringContaining('there is no GPU 0'),
  });
});

test('memory that other processes hold is another thing than a GPU that is too small', () => {
  const held = failure('memory=1000000 total=80000000000');
  expect(held).toMatchObject({ kind: 'unavailable', hint: expect.stringContaining('another process') });
});

test('a device that is lost in the middle of a step says so, and whatever fails, nothing is kept', () => {
  expect(failure('cuGraphLaunch=719:3')).toMatchObject({
    kind: 'unavailable',
    lost: true,
    message: 'the GPU cannot run a step: a made fault (CUDA_ERROR_LAUNCH_FAILED)',
  });
  const calls = [
    'cuMemAlloc=2',
    'cuMemHostAlloc=2',
    'cuStreamCreate=1',
    'cuEventCreate=1',
    'cuLaunchKernelEx=700',
  ];
  const later = [
    'cuMemAlloc=2:9',
    'cuMemcpyHtoDAsync=1:20',
    'cuLaunchKernelEx=700:40',
    'cuGraphInstantiate=2',
  ];
  const last = [
    'cuStreamEndCapture=901',
    'cuMemcpyDtoHAsync=719:2',
    'cuStreamSynchronize=719:2',
    'cuModuleLoadDataEx=2',
  ];
  for (const fault of [...calls, ...later, ...last]) {
    expect([fault, failure(fault).message]).toEqual([fault, expect.stringContaining('a made fault')]);
    expect([fault, driver.held()]).toEqual([fault, expect.objectContaining(NOTHING)]);
  }
});

/** A decoder whose embedding and head are integers; `head`: a head of its own, or none. */
const integerTables = (head: string) =>
  WALK.replace('embedding: dense(501, 252),', `embedding: integers(8, false, 32)(501, 252), head: ${head},`);

test('an embedding of integers is read as it is, tied to the head or not', () => {
  for (const head of ['undefined', 'integers(4, false, 32)(501, 252)', 'dense(501, 252)']) {
    expect(runWithAddon(integerTables(head), driver.environment('')).out).toBe('ran\n');
    expect(driver.held()).toMatchObject(NOTHING);
    const embeds = driver.held().kernels.filter((name) => /esparse\d+embed/.test(name));
    expect(embeds).toEqual([expect.stringContaining('embed_integers')]);
  }
});

test('what is found of damaged integers is said, with where it is', () => {
  // The driver says of every check that it has found this.
  const found = (faults: string) =>
    JSON.parse(runWithAddon(integerTables('undefined'), driver.environment(faults)).out) as unknown;
  expect(found('damaged-scales=9')).toMatchObject({
    kind: 'store',
    message: 'block 2: q_proj: the scale of row 2, span 1 is zero or not finite',
    hint: expect.stringContaining('esparse verify'),
  });
  expect(found('damaged=77')).toMatchObject({
    kind: 'store',
    message: expect.stringContaining('block 0: q_proj'),
  });
});
