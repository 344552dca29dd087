import { Worker } from 'node:worker_threads';
import { EsparseError } from '@esparse/errors';
import type { Job, JobEvent } from '@esparse/engine';
import { builtScript } from '@esparse/isolation';
import type {
  EngineFacts,
  EngineSettings,
  EngineState,
  FromEngine,
  LoadRequest,
  StepReport,
  ToEngine,
} from './messages.ts';

/**
 * Called with the events of one job: tokens, its end, or an error. Nothing comes after an end or an error, nor once the
 * job is cancelled.
 */
export type JobListener = (event: JobEvent) => void;

/** The engine on its own thread, as the main thread sees it. */
export interface EngineThread {
  /** Opens a run of the store, or the checkpoint, beside those that are open. @throws EsparseError where it is damaged or unknown */
  load(request: LoadRequest): Promise<{ readonly model: number; readonly facts: EngineFacts }>;
  /** Closes a model; none of its jobs may be left. */
  unload(model: number): void;
  submit(jobs: readonly Job[], listenerOf: (job: Job) => JobListener): void;
  /** Ends jobs within one step; those that have ended already are passed over. */
  cancel(jobs: readonly number[]): void;
  /** As of the last message. */
  state(): EngineState;
  stop(): Promise<void>;
}

export interface EngineObserver {
  /** After every step, when its events were delivered. */
  onStep(report: StepReport): void;
  /** When the thread has died: every job had its error, and no other will run. */
  onFailure(error: EsparseError): void;
}

/** Starts the engine's thread; it opens nothing by itself. */
export function startEngine(settings: EngineSettings, observer: EngineObserver): EngineThread {
  const thread = new Worker(builtScript(import.meta.url, 'engine-thread'), { workerData: settings });
  const jobs = new Map<number, JobListener>();
  const loads = new Map<number, { resolve(facts: EngineFacts): void; reject(error: EsparseError): void }>();
  let state: EngineState = { queued: 0, running: 0, pages: 0, freePages: 0, devices: [] };
  let nextModel = 0;
  let stopping = false;
  let failure: EsparseError | undefined;

  const post = (message: ToEngine) => {
    thread.postMessage(message);
  };

  const deliver = (event: JobEvent) => {
    const listener = jobs.get(event.job);
    if (listener === undefined) return; // cancelled meanwhile
    if ('error' in event || event.finish !== undefined) jobs.delete(event.job);
    listener(event);
  };

  thread.on('message', (message: FromEngine) => {
    switch (message.type) {
      case 'step': {
        const { report } = message;
        state = report.state;
        post({ type: 'seen' });
        for (const event of report.events) deliver(event);
        observer.onStep(report);
        return;
      }
      case 'state':
        state = message.state;
        return;
      case 'failed':
        fail(new EsparseError(message.error.kind, message.error.message, message.error));
        return;
      case 'loaded':
        state = message.state;
        loads.get(message.model)?.resolve(message.facts);
        loads.delete(message.model);
        return;
      case 'refused':
        loads
          .get(message.model)
          ?.reject(new EsparseError(message.error.kind, message.error.message, message.error));
        loads.delete(message.model);
    }
  });

  const fail = (error: EsparseError) => {
    if (failure !== undefined) return;
    failure = error;
    for (const { reject } of loads.values()) reject(error);
    loads.clear();
    for (const job of [...jobs.keys()]) deliver({ job, error: error.message });
    if (!stopping) observer.onFailure(error);
  };
  thread.on('error', (cause) => {
    fail(new EsparseError('internal', `the engine's thread failed: ${cause.message}`, { cause }));
  });
  thread.on('exit', () => {
    fail(new EsparseError('internal', "the engine's thread has ended"));
  });

  return {
    load: async (request) => {
      if (failure !== undefined) throw failure;
      const model = nextModel++;
      const facts = await new Promise<EngineFacts>((resolve, reject) => {
        loads.set(model, { resolve, reject });
        post({ type: 'load', model, ...request });
      });
      return { model, facts };
    },
    unload(model) {
      post({ type: 'unload', model });
    },
    submit(submitted, listenerOf) {
      for (const job of submitted) jobs.set(job.id, listenerOf(job));
      if (failure === undefined) post({ type: 'submit', jobs: submitted });
      else for (const job of submitted) deliver({ job: job.id, error: failure.message });
    },
    cancel(cancelled) {
      const left = cancelled.filter((job) => jobs.delete(job));
      if (left.length > 0) post({ type: 'cancel', jobs: left });
    },
    state: () => state,
    async stop() {
      stopping = true;
      await thread.terminate();
    },
  };
}
