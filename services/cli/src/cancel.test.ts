import { EsparseError } from '@esparse/errors';
import { listenToSignals, withCancellation } from './cancel.ts';

const interrupt = () => process.emit('SIGINT', 'SIGINT');

beforeEach(listenToSignals);

test('a signal aborts the command, and whatever it fails with because of that, it ends as cancelled', async () => {
  const ended = withCancellation((signal) => {
    interrupt();
    expect(signal.aborted).toBe(true);
    return Promise.reject(new EsparseError('unavailable', 'the worker is gone'));
  });
  await expect(ended).rejects.toMatchObject({ kind: 'cancelled', message: 'stopped by SIGINT' });
});

test('an error of a command that nobody stopped stays as it is, and so does its result', async () => {
  const error = new EsparseError('store', 'damaged');
  await expect(withCancellation(() => Promise.reject(error))).rejects.toBe(error);
  await expect(withCancellation(() => Promise.resolve(1))).resolves.toBe(1);
});

test('a command that hangs when it is stopped is left after its time', async () => {
  const hanging = withCancellation(() => new Promise(() => undefined), { cleanupMs: 1 });
  interrupt();
  await expect(hanging).rejects.toMatchObject({ kind: 'cancelled' });
});
