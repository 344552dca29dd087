import type { ServerResponse } from 'node:http';
import type { LiveRun } from './live-run.ts';
import { SAFETY } from './safety.ts';

/** Viewers at once, and what may wait for one of them that reads slowly. */
export const MAX_VIEWERS = 32;
const MAX_WAITING_BYTES = 1024 * 1024;

/** How long a viewer may read nothing before it is cut off. */
const UNREAD_MS = 30_000;

/** Connections that say nothing for long are closed by what lies between. */
const HEARTBEAT_MS = 15_000;

/** Sends a run's state to viewers as server-sent events, then its news. */
export interface Viewers {
  readonly count: number;
  add(response: ServerResponse): void;
  /** Tells all that nothing comes any more, and ends them. */
  end(): void;
}

export function createViewers(run: LiveRun): Viewers {
  const viewers = new Set<Viewer>();
  const heart = setInterval(() => {
    for (const viewer of viewers) viewer.beat();
  }, HEARTBEAT_MS).unref();
  return {
    get count() {
      return viewers.size;
    },
    add(response) {
      const viewer = new Viewer(response, run);
      viewers.add(viewer);
      response.once('close', () => {
        viewers.delete(viewer);
        viewer.close();
      });
    },
    end() {
      clearInterval(heart);
      // The last events are news still.
      run.flush();
      for (const viewer of viewers) viewer.end();
    },
  };
}

/** One viewer. What it has not read yet is bounded: where it falls behind, news are left out, and it gets the state anew. */
class Viewer {
  readonly #response: ServerResponse;
  readonly #run: LiveRun;
  readonly #stop: () => void;
  #behindSince: number | undefined;

  constructor(response: ServerResponse, run: LiveRun) {
    this.#response = response;
    this.#run = run;
    response.writeHead(200, { ...SAFETY, 'content-type': 'text/event-stream', 'x-accel-buffering': 'no' });
    response.on('drain', () => {
      if (this.#behindSince === undefined) return;
      this.#behindSince = undefined;
      this.#sendState();
    });
    this.#sendState();
    this.#stop = run.listen((news) => {
      this.#send('news', news);
    });
  }

  beat(): void {
    const behind = this.#behindSince;
    if (behind !== undefined && performance.now() - behind > UNREAD_MS) this.#response.destroy();
    else if (behind === undefined) this.#response.write(':\n\n');
  }

  close(): void {
    this.#stop();
  }

  end(): void {
    this.#stop();
    this.#response.end('event: end\ndata:\n\n');
  }

  #sendState(): void {
    this.#send('state', JSON.stringify(this.#run.state));
  }

  /** JSON has no line ends of its own: one line of data is all of it. */
  #send(event: string, data: string): void {
    if (this.#behindSince !== undefined) return;
    if (this.#response.writableLength > MAX_WAITING_BYTES) {
      this.#behindSince = performance.now();
      return;
    }
    this.#response.write(`event: ${event}\ndata: ${data}\n\n`);
  }
}
