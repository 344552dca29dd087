import { answeringBucket, s3Refusal } from '../testing/answering-bucket.ts';
import { headOf, inspect, secondsBetween } from './inspect.ts';

test('an age is known where the server says both times, to the second', () => {
  const written = new Date('2024-05-06T07:08:09Z');
  expect(secondsBetween(written, 'Mon, 06 May 2024 07:09:09 GMT')).toBe(60);
  expect(secondsBetween(written, undefined)).toBeUndefined();
  expect(secondsBetween(undefined, 'Mon, 06 May 2024 07:09:09 GMT')).toBeUndefined();
  expect(secondsBetween(written, 'now')).toBeUndefined();
});

test('what is not there is undefined, what is refused an error', async () => {
  const absent = answeringBucket(() => {
    throw s3Refusal('NotFound', 404);
  });
  expect(await headOf(absent, 'x')).toBeUndefined();
  expect(await inspect(absent, 'x')).toBeUndefined();
  const refusing = answeringBucket(() => {
    throw s3Refusal('AccessDenied', 403);
  });
  await expect(headOf(refusing, 'x')).rejects.toMatchObject({ kind: 'denied' });
  await expect(inspect(refusing, 'x')).rejects.toMatchObject({ kind: 'denied' });
});

test('a lease has some hundred bytes: what is far larger is none, and is not read', async () => {
  const bucket = answeringBucket(() => ({ ContentLength: 10 ** 9 }));
  await expect(inspect(bucket, 'x')).rejects.toMatchObject({
    kind: 'store',
    message: expect.stringContaining('s3://models/x is too large'),
  });
});
