import { setImmediate } from 'node:timers/promises';
import type { MessagePort } from 'node:worker_threads';
import { EsparseError, toEsparseError } from '@esparse/errors';
import { Scheduler, openEngine, type Engine } from '@esparse/engine';
import { watchDevices } from './watch-devices.ts';
import type {
  EngineFacts,
  EngineSettings,
  EngineState,
  FromEngine,
  LoadRequest,
  PlainError,
  StepReport,
  ToEngine,
} from './messages.ts';

/**
 * Reports on their way to the main thread, at most. Where it falls behind (it parses, it collects garbage) the engine
 * waits for it, so what lies between them is bounded.
 */
const MAX_UNSEEN_REPORTS = 64;

/**
 * The engine's side of the channel: opens models, and steps the scheduler as long as there is work. Between two steps
 * the thread handles its messages, so that a request that joins or is cancelled waits for one step at most.
 */
export function hostEngine(port: MessagePort, settings: EngineSettings): void {
  const { limits, ...open } = settings;
  const engines = new Map<number, Engine>();
  const scheduler = new Scheduler((model) => {
    const engine = engines.get(model);
    if (engine === undefined) throw new EsparseError('internal', `model ${model} is not open`);
    return engine;
  }, limits);
  let unseen = 0;
  let stepping = false;

  const post = (message: FromEngine) => {
    port.postMessage(message);
  };

  const devices = watchDevices(() => [...engines.values()].flatMap((engine) => engine.usage()));
  /** @param again looks at the devices, however short the last look was ago */
  const state = (again = false): EngineState => {
    let pages = 0;
    let freePages = 0;
    for (const engine of engines.values()) {
      pages += engine.pages;
      freePages += engine.freePages();
    }
    return {
      queued: scheduler.queued,
      running: scheduler.running,
      pages,
      freePages,
      devices: devices(again),
    };
  };

  const runSteps = async () => {
    let done: Omit<StepReport, 'state'> | undefined;
    const tell = () => {
      if (done !== undefined) post({ type: 'step', report: { ...done, state: state() } });
      done = undefined;
    };
    while (!scheduler.idle && unseen < MAX_UNSEEN_REPORTS) {
      const started = performance.now();
      const step = scheduler.step();
      // Devices compute by now: what the last step gave is told in their time.
      tell();
      const result = await step;
      unseen++;
      done = { ...result, seconds: (performance.now() - started) / 1000 };
      const failure = [...engines.values()]
        .map((engine) => engine.failure())
        .find((found) => found !== undefined);
      if (failure !== undefined) {
        tell();
        post({ type: 'failed', error: plain(failure) });
        return;
      }
      await setImmediate();
    }
    tell();
    stepping = false;
  };

  const wake = () => {
    if (stepping) return;
    stepping = true;
    void setImmediate().then(runSteps);
  };

  const load = async (model: number, request: LoadRequest) => {
    try {
      const engine = await openEngine({
        ...open,
        ...request,
        maxStepTokens: limits.maxSequences + Math.max(limits.prefillTokens, limits.mixedPrefillTokens),
      });
      engines.set(model, engine);
      post({ type: 'loaded', model, facts: factsOf(engine), state: state(true) });
    } catch (thrown) {
      post({ type: 'refused', model, error: plain(thrown) });
    }
  };

  port.on('message', (message: ToEngine) => {
    switch (message.type) {
      case 'load':
        void load(message.model, { run: message.run, verify: message.verify });
        return;
      case 'unload':
        void engines.get(message.model)?.close();
        engines.delete(message.model);
        post({ type: 'state', state: state() });
        return;
      case 'submit':
        for (const job of message.jobs) scheduler.submit(job);
        wake();
        return;
      case 'cancel':
        for (const job of message.jobs) scheduler.cancel(job);
        post({ type: 'state', state: state() });
        return;
      case 'seen':
        unseen--;
        wake();
    }
  });
}

/** What of an error can be told another thread. */
function plain(thrown: unknown): PlainError {
  const { kind, message, hint, context } = toEsparseError(thrown);
  return { kind, message, hint, context };
}

function factsOf(engine: Engine): EngineFacts {
  return {
    run: engine.run,
    vocab: engine.description.vocab,
    // A text has all of its pages at once.
    maxContext: Math.min(engine.maxContext, engine.pages * engine.pageTokens),
    pageTokens: engine.pageTokens,
    pageBytes: engine.pageBytes,
    pages: engine.pages,
    weightBytes: { ...engine.weightBytes },
    device: engine.device,
  };
}
