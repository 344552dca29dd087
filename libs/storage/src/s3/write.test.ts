import { answeringBucket, s3Refusal } from '../testing/answering-bucket.ts';
import { CONFLICT_ATTEMPTS, PART_BYTES, PARTS_IN_FLIGHT } from './limits.ts';
import { deleteObjects, putObject, putObjectIf } from './write.ts';

const bytes = Uint8Array.of(1, 2);
const metadataOf = (input: Readonly<Record<string, unknown>>) => input.Metadata as Record<string, string>;

test('a conditional write says what it expects: nothing there, or the version that was seen', async () => {
  const bucket = answeringBucket(() => ({ ETag: '"2"' }));
  expect(await putObjectIf(bucket, 'x', bytes, undefined)).toBe('"2"');
  expect(await putObjectIf(bucket, 'x', bytes, '"1"')).toBe('"2"');
  expect(bucket.asked.map(({ input }) => [input.IfNoneMatch, input.IfMatch])).toEqual([
    ['*', undefined],
    [undefined, '"1"'],
  ]);
});

test('a write that gave way to another one under way is repeated, so many times at most', async () => {
  const conflict = s3Refusal('ConditionalRequestConflict', 409);
  const later = answeringBucket((_, count) => {
    if (count < CONFLICT_ATTEMPTS) throw conflict;
    return { ETag: '"1"' };
  });
  expect(await putObjectIf(later, 'x', bytes, undefined)).toBe('"1"');
  const never = answeringBucket(() => {
    throw conflict;
  });
  await expect(putObjectIf(never, 'x', bytes, undefined)).rejects.toMatchObject({ kind: 'store' });
  expect(never.asked).toHaveLength(CONFLICT_ATTEMPTS);
});

test('a condition that did not hold because of this very write, whose answer was lost, held', async () => {
  const lost = answeringBucket(({ command, input }) => {
    if (command === 'PutObject') throw s3Refusal('PreconditionFailed', 412);
    expect(input).toEqual({ Bucket: 'models', Key: 'x' });
    return { ETag: '"1"', Metadata: metadataOf(lost.asked[0]!.input) };
  });
  expect(await putObjectIf(lost, 'x', bytes, undefined)).toBe('"1"');
  const others = answeringBucket(({ command }) => {
    if (command === 'PutObject') throw s3Refusal('PreconditionFailed', 412);
    return { ETag: '"1"', Metadata: { 'esparse-write': 'of another' } };
  });
  expect(await putObjectIf(others, 'x', bytes, undefined)).toBeUndefined();
});

test('a version that was seen and is not there any more does not hold; a missing bucket is an error', async () => {
  const removed = answeringBucket(({ command }) => {
    throw command === 'PutObject' ? s3Refusal('NoSuchKey', 404) : s3Refusal('NotFound', 404);
  });
  expect(await putObjectIf(removed, 'x', bytes, '"1"')).toBeUndefined();
  const nowhere = answeringBucket(() => {
    throw s3Refusal('NoSuchBucket', 404);
  });
  await expect(putObjectIf(nowhere, 'x', bytes, '"1"')).rejects.toMatchObject({
    kind: 'store',
    message: expect.stringContaining('no bucket models'),
  });
});

test('removal asks for 1000 keys at most at a time, and names what was not removed', async () => {
  const bucket = answeringBucket(() => ({}));
  const keys = Array.from({ length: 2001 }, (_, i) => `k${i}`);
  await deleteObjects(bucket, keys);
  await deleteObjects(bucket, ['alone']);
  await deleteObjects(bucket, []);
  const counts = bucket.asked.map(
    ({ input }) => (input.Delete as { Objects: unknown[] } | undefined)?.Objects.length,
  );
  expect(counts).toEqual([1000, 1000, 1, undefined]);
  expect(bucket.asked.map(({ command }) => command).at(-1)).toBe('DeleteObject');
  const refusing = answeringBucket(() => ({ Errors: [{ Key: 'k7', Message: 'it is locked' }] }));
  await expect(deleteObjects(refusing, ['k6', 'k7'])).rejects.toMatchObject({
    kind: 'store',
    message: 'cannot remove s3://models/k7: it is locked',
  });
});

test('a large object goes in parts, a few at a time, and is completed with all of them in order', async () => {
  let inFlight = 0;
  let most = 0;
  const bucket = answeringBucket(async ({ command, input }) => {
    if (command === 'CreateMultipartUpload') return { UploadId: 'u' };
    if (command !== 'UploadPart') return {};
    most = Math.max(most, ++inFlight);
    await new Promise((resolve) => setTimeout(resolve, input.PartNumber === 1 ? 20 : 1));
    inFlight--;
    return { ETag: `"${String(input.PartNumber)}"` };
  });
  await putObject(bucket, 'x', [new Uint8Array(6 * PART_BYTES + 1)]);
  expect(most).toBe(PARTS_IN_FLIGHT);
  const { command, input } = bucket.asked.at(-1)!;
  expect(command).toBe('CompleteMultipartUpload');
  const { Parts } = input.MultipartUpload as { Parts: object[] };
  expect(Parts).toEqual(Parts.map((_, i) => ({ ETag: `"${i + 1}"`, PartNumber: i + 1 })));
  expect(Parts).toHaveLength(7);
});

test('where one part fails, no further one is sent and the upload is ended', async () => {
  const bucket = answeringBucket(({ command, input }) => {
    if (command === 'CreateMultipartUpload') return { UploadId: 'u' };
    if (input.PartNumber === 2) throw s3Refusal('AccessDenied', 403);
    return { ETag: '"1"' };
  });
  await expect(putObject(bucket, 'x', [new Uint8Array(40 * PART_BYTES)])).rejects.toMatchObject({
    kind: 'denied',
  });
  const parts = bucket.asked.filter(({ command }) => command === 'UploadPart');
  expect(parts.length).toBeLessThanOrEqual(2 * PARTS_IN_FLIGHT);
  expect(bucket.asked.at(-1)).toMatchObject({ command: 'AbortMultipartUpload', input: { UploadId: 'u' } });
});
