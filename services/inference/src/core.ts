import { createAdmission, type Admission } from '@esparse/engine';
import { startEngine } from './engine/start-engine.ts';
import { createTextService, type TextService } from './generate/service.ts';
import { stepPrefillTokens } from './limits.ts';
import { watchEventLoop } from './metrics/event-loop.ts';
import { createMetrics, type Metrics } from './metrics/metrics.ts';
import type { ChatRenderer } from './model/chat-renderer.ts';
import { createLoader, type Loader } from './model/loader.ts';
import { placeOf } from './model/model-place.ts';
import { createServedModels, type ServedModels } from './model/served-model.ts';
import { limitsOf, type ServeOptions } from './serve-options.ts';

/** The server without its protocols: engine, models, and the service that HTTP and gRPC share. */
export interface Core {
  readonly service: TextService;
  readonly admission: Admission;
  readonly metrics: Metrics;
  readonly models: ServedModels;
  readonly loader: Loader;
  /** The server is ready: the event loop is measured from now on. */
  ready(): void;
  /** Ends the loading of models, and the processes and threads beside this one; not the engine's. */
  close(): void;
  /** Ends the engine, once nothing uses it any more. */
  stopEngine(): Promise<void>;
  /** Rejects when the engine has failed. */
  readonly failed: Promise<never>;
}

export function createCore(
  options: ServeOptions,
  { renderer, chatTemplate }: { renderer: ChatRenderer; chatTemplate: string | undefined },
): Core {
  const { log } = options;
  const place = placeOf(options);
  const { maxSequences, maxQueue } = limitsOf(options);
  const eventLoop = watchEventLoop();
  const admission = createAdmission(maxSequences, maxQueue);
  let fail: (error: Error) => void = () => undefined;
  const failed = new Promise<never>((_, reject) => (fail = reject));
  failed.catch(() => undefined); // whoever awaits it gets the error; no one has to

  const engine = startEngine(
    {
      ...place,
      device: options.device,
      threads: options.threads,
      maxContext: options.maxContext,
      kvBytes: options.kvBytes,
      cacheDirectory: options.cacheDirectory,
      cacheBytes: options.cacheBytes,
      family: options.family,
      encoding: options.encoding,
      limits: { maxSequences, ...stepPrefillTokens(options.device) },
    },
    {
      onStep: (report) => {
        metrics.step(report);
      },
      onFailure: (error) => {
        service.drain();
        log.fatal({ err: error }, 'the engine has failed');
        fail(error);
      },
    },
  );
  const metrics = createMetrics({ state: engine.state, admitted: () => admission.held, eventLoop });
  const models = createServedModels({
    model({ id, identity }) {
      engine.unload(id);
      log.info({ run: identity }, 'model is closed');
    },
    text: ({ tokenizer }) => {
      tokenizer.close();
    },
  });
  const service = createTextService({ engine, models, admission, renderer, observer: metrics });
  const loader = createLoader(
    {
      ...{ place, run: options.run, modelName: options.modelName },
      ...{ cacheDirectory: options.cacheDirectory, verify: options.verify ?? 'full' },
      chatTemplate,
    },
    { engine, models, log, swapped: metrics.swap },
  );
  return {
    service,
    admission,
    metrics,
    models,
    loader,
    failed,
    ready: () => {
      eventLoop.ready();
    },
    close() {
      loader.close();
      eventLoop.stop();
      renderer.close();
      models.closeTexts();
    },
    stopEngine: () => engine.stop(),
  };
}
