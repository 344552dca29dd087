import { appendFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { inTemporaryFolder } from '@esparse/laws';
import { committed, started } from '../testing/prune-events.ts';
import { followFile } from './follow-file.ts';
import { readLiveEvent } from './read-event.ts';

test('events of a run are read with the run that they are of', () => {
  expect(readLiveEvent(JSON.stringify({ ...committed(1, 2), run: 'abc' }))).toMatchObject({
    block: 1,
    run: 'abc',
  });
  expect(readLiveEvent(JSON.stringify(started(2)))).toMatchObject({ event: 'started', run: 'abc' });
});

test.each([
  '',
  '{"event":"started"}',
  '{"event":"note","time":"yesterday","message":"x"}',
  '{"event":"of another version","time":"2026-11-28T12:00:00.000Z"}',
  'null',
  '{"event":"operators","time":"2026-11-28T12:00:00.000Z","seconds":1,"operators":{}}',
])('a line that is no event of a run is none: %s', (line) => {
  expect(readLiveEvent(line)).toBeUndefined();
});

test('a file is read on as it grows, line by line, letters of several bytes cut anywhere', async () => {
  await inTemporaryFolder(async (folder) => {
    const file = path.join(folder, 'events.jsonl');
    await writeFile(file, 'one\ntw');
    const lines: string[] = [];
    const stop = new AbortController();
    let read: () => void = () => undefined;
    const nextEnd = () => new Promise<void>((resolve) => (read = resolve));
    let end = nextEnd();
    const following = followFile(file, (line) => lines.push(line), {
      signal: stop.signal,
      onEnd: () => {
        read();
      },
    });
    await end;
    expect(lines).toEqual(['one']);
    const letter = Buffer.from('ü');
    for (const part of [
      Buffer.concat([Buffer.from('o\n'), letter.subarray(0, 1)]),
      letter.subarray(1),
      Buffer.from('\n'),
    ]) {
      await appendFile(file, part);
      end = nextEnd();
      await end;
    }
    expect(lines).toEqual(['one', 'two', 'ü']);
    stop.abort();
    await following;
    await expect(
      followFile(path.join(folder, 'none'), () => undefined, { signal: stop.signal }),
    ).rejects.toMatchObject({ kind: 'text' });
  });
});
