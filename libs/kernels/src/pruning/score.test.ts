import {
  channelMeans,
  findUnsound,
  findUnsoundReference,
  scoreByChannel,
  scoreByChannelReference,
} from './score.ts';

test('a score is the magnitude of the weight times the importance of its channel', async () => {
  // bf16: 1, -2, 0.5, -0
  const weights = Uint16Array.of(0x3f80, 0xc000, 0x3f00, 0x8000);
  const scores = await scoreByChannel('bf16', weights, 2, 2, Float32Array.of(3, 0.25));
  expect(scores).toEqual(Float32Array.of(3, 0.5, 1.5, 0));
  expect(await channelMeans(scores, 2, 2)).toEqual(Float64Array.of(2.25, 0.25));
});

test('a score that is not finite is refused with its place', async () => {
  const weights = Uint16Array.of(0x3f80, 0x3f80, 0x3f80, 0x7fc0);
  const refusal = { kind: 'numeric', context: { row: 1, channel: 1 } };
  await expect(scoreByChannel('bf16', weights, 2, 2, Float32Array.of(1, 1))).rejects.toMatchObject(refusal);
  const reference = Promise.resolve().then(() =>
    scoreByChannelReference('bf16', weights, 2, 2, Float32Array.of(1, 1)),
  );
  await expect(reference).rejects.toMatchObject(refusal);
});

test('a matrix of another size than its shape is refused', async () => {
  await expect(scoreByChannel('f16', new Uint16Array(5), 2, 3, new Float32Array(3))).rejects.toMatchObject({
    kind: 'usage',
    message: expect.stringContaining('weights has 5'),
  });
  await expect(channelMeans(new Float32Array(6), 2.5, 3)).rejects.toMatchObject({ kind: 'usage' });
});

test.each([NaN, Infinity, -Infinity, -1e-45, -1])('a score of %d is found, wherever it is', async (wrong) => {
  for (const at of [0, 7, 2 ** 19 + 3]) {
    const scores = new Float32Array(2 ** 19 + 4).fill(-0, 0, 9);
    expect(await findUnsound(scores)).toBe(-1);
    scores[at] = wrong;
    expect(await findUnsound(scores)).toBe(at);
    expect(findUnsoundReference(scores)).toBe(at);
  }
});
