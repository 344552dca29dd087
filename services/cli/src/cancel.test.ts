import { EsparseError } from '@esparse/errors';
import { listenToSignals, withCancellation } from './cancel.ts';

// Not Ctrl-C: a process that another one has started and talks to, as those of Jest may be, leaves that to the other.
const terminate = () => process.emit('SIGTERM', 'SIGTERM');

beforeEach(listenToSignals);

test('a signal aborts the command, and whatever it fails with because of that, it ends as cancelled', async () => {
  const ended = withCancellation((signal) => {
    terminate();
    expect(signal.aborted).toBe(true);
    return Promise.reject(new EsparseError('unavailable', 'the worker is gone'));
  });
  await expect(ended).rejects.toMatchObject({ kind: 'cancelled', message: 'stopped by SIGTERM' });
});

test('an error of a command that nobody stopped stays as it is, and so does its result', async () => {
  const error = new EsparseError('store', 'damaged');
  await expect(withCancellation(() => Promise.reject(error))).rejects.toBe(error);
  await expect(withCancellation(() => Promise.resolve(1))).resolves.toBe(1);
});

test('a command that hangs when it is stopped is left after its time', async () => {
  const hanging = withCancellation(() => new Promise(() => undefined), { cleanupMs: 1 });
  terminate();
  await expect(hanging).rejects.toMatchObject({ kind: 'cancelled' });
});
