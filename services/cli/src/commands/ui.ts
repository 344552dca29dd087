import { Command, Option } from 'commander';
import { showLocation } from '@esparse/storage';
import { openStore } from '@esparse/store';
import { withCancellation, aborted } from '../cancel.ts';
import { accessTo } from '../live/access.ts';
import { followFile } from '../live/follow-file.ts';
import { LiveRun } from '../live/live-run.ts';
import { readLiveEvent } from '../live/read-event.ts';
import { reportSoFar } from '../live/report-so-far.ts';
import { startLiveServer } from '../live/server.ts';
import { chooseRun, storedBeginning, watchBlocks } from '../live/watch-store.ts';
import { encodingOption, familyOption, loadOwn, type OwnFlags } from '../options/own.ts';
import { runOption, storeOption } from '../options/shared.ts';
import { uiOptions, type UiFlags } from '../options/ui.ts';
import { notEmpty } from '../options/values.ts';

interface Flags extends UiFlags, OwnFlags {
  readonly ui: string;
  readonly store: string;
  readonly run?: string;
  readonly events?: string;
}

/** `esparse ui` */
export function uiCommand(): Command {
  const command = new Command('ui')
    .description(
      'Shows a run in a browser, one that goes on elsewhere or has ended: what its store has, block by block, and with --events all that ' +
        'its process says. `prune --ui` shows a run from within.',
    )
    .addOption(storeOption('store that the run is committed to'))
    .addOption(
      runOption('run to show, or its first digits (default: the newest that goes on, else the current one)'),
    )
    .addOption(
      new Option(
        '--events <file>',
        'what `esparse prune --json` prints of the run, read on as it grows: operators, workers, times (default: none)',
      )
        .env('ESPARSE_EVENTS')
        .argParser(notEmpty),
    )
    .addOption(familyOption())
    .addOption(encodingOption());
  for (const option of uiOptions('127.0.0.1:9000')) command.addOption(option);
  return command.action((flags: Flags) => withCancellation((signal) => run(flags, signal)));
}

/** Until a signal ends it, which is a good end. */
async function run(flags: Flags, signal: AbortSignal): Promise<void> {
  const { ui, uiKeyFile, store: location, events } = flags;
  await loadOwn(flags);
  const access = await accessTo(ui, uiKeyFile);
  const store = await openStore(location);
  const shown = await chooseRun(store, flags.run);
  const live = new LiveRun();
  const [started, graph] = await storedBeginning(store, shown);
  const source = {
    source: showLocation(location),
    detail: events === undefined ? 'store' : 'events',
  } as const;
  live.push({ event: 'source', time: started!.time, ...source });
  live.push(graph!);
  if (events === undefined) live.push(started!);
  const report = reportSoFar(location, () => shown.fingerprint);
  const server = await startLiveServer({ run: live, listen: ui, access, report });
  process.stdout.write(`run ${shown.fingerprint} is shown on ${server.url}\n`);
  const ended = new AbortController();
  const stop = AbortSignal.any([signal, ended.signal]);
  try {
    const watched =
      events === undefined
        ? watchBlocks(live, shown, stop)
        : followFile(
            events,
            (line) => {
              take(live, shown.fingerprint, line);
            },
            { signal: stop },
          );
    // What is shown stays when there is nothing more to come.
    await Promise.all([watched, aborted(signal)]);
  } finally {
    ended.abort();
    await server.close();
  }
}

/** Shows an event of the run; those of other runs that the file may have are left out. */
function take(live: LiveRun, fingerprint: string, line: string): void {
  const event = readLiveEvent(line);
  if (event?.run === fingerprint) live.push(event);
}
