import { answeringBucket, s3Refusal } from '../testing/answering-bucket.ts';
import { listKeys, listNames } from './list.ts';
import { openUploads } from './multipart.ts';

const pages = [
  { Contents: [{ Key: 'a/x' }, { Key: 'a/y' }], IsTruncated: true, NextContinuationToken: 'next' },
  { Contents: [{ Key: 'a/z' }], IsTruncated: false, NextContinuationToken: 'not to be used' },
];

test('keys are listed page by page, each asked for with the token of the one before', async () => {
  const bucket = answeringBucket((_, count) => pages[count - 1]);
  const listed: string[][] = [];
  for await (const keys of listKeys(bucket, 'a/')) listed.push(keys);
  expect(listed).toEqual([['a/x', 'a/y'], ['a/z']]);
  expect(bucket.asked.map(({ input }) => [input.Prefix, input.ContinuationToken])).toEqual([
    ['a/', undefined],
    ['a/', 'next'],
  ]);
});

test('names are of objects and folders, once each, without the mark that consoles make a folder with', async () => {
  const bucket = answeringBucket(() => ({
    Contents: [{ Key: 'a/' }, { Key: 'a/x' }],
    CommonPrefixes: [{ Prefix: 'a/b/' }, { Prefix: 'a/b/' }],
  }));
  expect(await listNames(bucket, 'a/')).toEqual(['x', 'b']);
  expect(bucket.asked[0]!.input.Delimiter).toBe('/');
});

test('an empty answer lists nothing, and a refusal says what was listed', async () => {
  expect(
    await listNames(
      answeringBucket(() => ({})),
      '',
    ),
  ).toEqual([]);
  const refusing = answeringBucket(() => {
    throw s3Refusal('AccessDenied', 403);
  });
  await expect(listNames(refusing, 'a/')).rejects.toMatchObject({
    kind: 'denied',
    message: expect.stringContaining('cannot list s3://models/a/'),
  });
});

test.each([
  ['the same token again', () => 'next'],
  ['two tokens in turn', (count: number) => `${count % 2}`],
])('a list whose server gives %s ends, and the server is named', async (_, token) => {
  const bucket = answeringBucket((_asked, count) => ({
    Contents: [{ Key: `a/${count}` }],
    IsTruncated: true,
    NextContinuationToken: token(count),
  }));
  const listAll = async () => {
    for await (const keys of listKeys(bucket, 'a/')) expect(keys).toHaveLength(1);
  };
  await expect(listAll()).rejects.toMatchObject({
    kind: 'unsupported',
    message: 'S3 lists s3://models/a/ without an end: it gives the same page again',
  });
  await expect(listNames(bucket, 'a/')).rejects.toMatchObject({ kind: 'unsupported' });
  expect(bucket.asked.length).toBeLessThanOrEqual(6);
});

test('so does a list of open uploads, and of the parts of one', async () => {
  const uploads = answeringBucket(() => ({
    Uploads: [{ Key: 'a/x', UploadId: '1' }],
    IsTruncated: true,
    NextKeyMarker: 'a/x',
    NextUploadIdMarker: '1',
    NextPartNumberMarker: '1',
  }));
  const endless = { kind: 'unsupported', message: expect.stringContaining('without an end') };
  const listAll = async () => {
    for await (const upload of openUploads(uploads, 'a/')) {
      await expect(upload.bytes()).rejects.toMatchObject(endless);
    }
  };
  await expect(listAll()).rejects.toMatchObject(endless);
});
