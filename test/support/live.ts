import { once } from 'node:events';
import { esparseUntil } from './esparse.ts';

/** `esparse ui`, as a process. */
export interface LiveProcess {
  readonly url: string;
  /** Waits for a state of the run that is as wanted, as a page that is opened then has it. */
  state(wanted: (state: ShownState) => boolean): Promise<ShownState>;
  /** Sends SIGTERM and gives the exit code. */
  stop(): Promise<number | null>;
}

/** What a page knows of a run, as far as tests look at it. */
export interface ShownState {
  readonly state: string;
  readonly started?: { readonly model: string; readonly time: string };
  readonly blocks: readonly {
    readonly committed?: { readonly time: string; readonly bytes: number };
    readonly linears: readonly { readonly linear: string; readonly outputError?: number }[];
  }[];
  readonly log: readonly { readonly text: string }[];
}

/** Starts `esparse ui` on a free port, and gives it once it is ready. */
export async function showLive(...args: string[]): Promise<LiveProcess> {
  let url = '';
  const child = await esparseUntil(
    (line) => {
      url ||= / is shown on (http:\S+)/.exec(line)?.[1] ?? '';
      return url !== '';
    },
    ...['ui', '--ui', '127.0.0.1:0', ...args],
  );
  return {
    url,
    async state(wanted) {
      for (;;) {
        const state = await stateAt(url);
        if (wanted(state)) return state;
        await new Promise((resolve) => setTimeout(resolve, 200));
      }
    },
    async stop() {
      const exited = once(child, 'exit');
      child.kill('SIGTERM');
      return ((await exited) as [number | null])[0];
    },
  };
}

/** The first event that a viewer gets: all that was before it came. */
async function stateAt(url: string): Promise<ShownState> {
  const leave = new AbortController();
  try {
    const { body } = await fetch(new URL('events', url), { signal: leave.signal });
    let text = '';
    for await (const piece of body!.pipeThrough(new TextDecoderStream())) {
      text += piece;
      const found = /^event: state\ndata: (.*)\n\n/.exec(text)?.[1];
      if (found !== undefined) return JSON.parse(found) as ShownState;
    }
    throw new Error(`${url} sent no state`);
  } finally {
    leave.abort();
  }
}
