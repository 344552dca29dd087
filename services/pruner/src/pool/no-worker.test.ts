import { noWorker } from './no-worker.ts';

test.each([
  [
    'round_robin: No connection established. Last error: Error: connect ECONNREFUSED 10.0.0.1:7070. Resolution note: ',
    'connect ECONNREFUSED 10.0.0.1:7070',
  ],
  [
    "No connection established. Last error: Error [ERR_TLS_CERT_ALTNAME_INVALID]: Hostname/IP does not match certificate's altnames",
    "Error [ERR_TLS_CERT_ALTNAME_INVALID]: Hostname/IP does not match certificate's altnames",
  ],
  [
    'Name resolution failed for target dns:nowhere:7070',
    'Name resolution failed for target dns:nowhere:7070',
  ],
])('of the trouble that gRPC reports, %j, the cause is repeated', (trouble, cause) => {
  const error = noWorker([{ address: 'gpu-1:7070', trouble }], 10_000);
  expect(error).toMatchObject({
    kind: 'unavailable',
    message: `no worker could be reached for 10 s at gpu-1:7070 (${cause})`,
    hint: expect.stringContaining('certificates') as unknown,
  });
});

test('where nothing is known, only the target is named', () => {
  const error = noWorker([{ address: 'dns:///workers:7070', trouble: undefined }], 10_000);
  expect(error.message).toBe('no worker could be reached for 10 s at dns:///workers:7070');
});
