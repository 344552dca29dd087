import path from 'node:path';
import { EsparseError, toEsparseError } from '@esparse/errors';
import { nameOfLocation } from '@esparse/storage';
import { tokenizerVersion } from '@esparse/model-store';
import { openStore } from '@esparse/store';
import { isCopied, type VerifyMode } from '@esparse/engine';
import type { Logger } from 'pino';
import type { LoadRequest } from '../engine/messages.ts';
import type { EngineThread } from '../engine/start-engine.ts';
import { findCheckpoint, findRun, type FoundModel } from './model-facts.ts';
import type { ModelPlace } from './model-place.ts';
import type { ServedModel, ServedModels } from './served-model.ts';
import { refusalOf, type Refusal } from './refusal.ts';
import { openTextSide } from './text-side.ts';
import { verifyRun } from './verify-run.ts';

export interface LoaderOptions {
  readonly place: ModelPlace;
  /** The run to serve, or its first digits. @default the store's current one, followed when it changes */
  readonly run?: string | undefined;
  readonly modelName?: string | undefined;
  readonly cacheDirectory?: string | undefined;
  readonly verify: VerifyMode;
  /** Source of a template that is used instead of the checkpoint's. @default the checkpoint's */
  readonly chatTemplate?: string | undefined;
}

export interface Loader {
  /** Opens the run that is to be served. @throws EsparseError where it cannot be */
  open(): Promise<void>;
  /**
   * Opens the store's current run beside the old one and serves it, if it is another by now, or has other files of its
   * tokenizer (a chat template that was added). A run that cannot be served is logged and the old one stays.
   *
   * @param again also tries a run that was refused before; without it one is whose time to be tried again has come
   */
  reload(again: boolean): Promise<void>;
  close(): void;
}

export interface LoaderDependencies {
  readonly engine: EngineThread;
  readonly models: ServedModels;
  readonly log: Logger;
  swapped(outcome: 'done' | 'refused'): void;
}

/** Opens runs of a store, or a checkpoint, as models to serve. */
export function createLoader(options: LoaderOptions, dependencies: LoaderDependencies): Loader {
  const { engine, models, log, swapped } = dependencies;
  const stopping = new AbortController();
  let refused: Refusal | undefined;
  let busy: Promise<void> = Promise.resolve();

  const openRun = async (store: string, fingerprint: string | undefined): Promise<ServedModel> => {
    const opened = await openStore(store);
    const found = await findRun(await opened.openRun(fingerprint));
    const run = found.facts.run!;
    // The engine compares the copies that it maps. Files of the store are read on a thread of their own: serving goes on.
    const copied = isCopied(opened.objects, options.cacheDirectory);
    if (!copied && options.verify === 'full') await verifyRun({ store, run }, stopping.signal);
    const model = await openModel(found, { run, verify: copied ? options.verify : 'none' }, store);
    if (!copied && options.verify === 'background') void verifyLater(store, run);
    return model;
  };

  const openModel = async (found: FoundModel, request: LoadRequest, at: string): Promise<ServedModel> => {
    const { facts } = found;
    const before = models.current?.text;
    const { chatTemplate } = options;
    const text = await openTextSide(found, { before, chatTemplate, signal: stopping.signal });
    const { model: id, facts: engineFacts } = await engine.load(request).catch((error: unknown) => {
      if (text !== before) text.tokenizer.close();
      throw error;
    });
    return {
      id,
      name: options.modelName ?? facts.name ?? path.basename(nameOfLocation(at), '.zarr'),
      identity: facts.run ?? facts.checkpoint,
      version: found.version,
      created: Math.floor(Date.now() / 1000),
      engine: engineFacts,
      facts,
      text,
    };
  };

  const serve = (model: ServedModel) => {
    models.replace(model);
    const { pattern } = model.facts;
    log.info({ run: model.identity, model: model.name, pattern }, 'model is served');
  };

  const verifyLater = async (store: string, run: string) => {
    try {
      await verifyRun({ store, run }, stopping.signal);
      log.info({ run }, 'every checksum is right');
    } catch (error) {
      if (!stopping.signal.aborted) log.error({ err: error, run }, 'the run that is served is damaged');
    }
  };

  const reload = async (again: boolean): Promise<void> => {
    const { place } = options;
    if (!('store' in place)) {
      log.warn(place, 'a checkpoint is served: it stays');
      return;
    }
    const { store } = place;
    if (options.run !== undefined) {
      log.warn({ run: options.run }, 'a run was named with --run: it stays');
      return;
    }
    let run: string | undefined;
    let wanted = 'current';
    try {
      const opened = await openStore(store);
      run = await opened.current();
      if (run === undefined) return;
      const version = await tokenizerVersion(await opened.openRun(run));
      wanted = `${run} ${version}`;
      const { current } = models;
      const isServed = run === current?.identity;
      if (isServed && version === current.version) {
        refused = undefined;
        return;
      }
      if (!again && wanted === refused?.wanted && performance.now() < refused.until) return;
      const started = performance.now();
      const model = await openRun(store, run);
      const before = current?.engine.pages ?? 0;
      serve(model);
      refused = undefined;
      const what = isServed ? 'the renewed tokenizer files of the run' : 'the new run';
      log.info({ run, seconds: (performance.now() - started) / 1000 }, `swapped to ${what}`);
      const { pages } = model.engine;
      if (pages < before) {
        log.warn({ run, pages, before }, 'its key-value cache is smaller: --kv-memory leaves room for two');
      }
      swapped('done');
    } catch (thrown) {
      if (stopping.signal.aborted) return;
      const error = toEsparseError(thrown);
      const isLogged = wanted === refused?.wanted;
      refused = refusalOf(wanted, error.kind, refused);
      if (isLogged && !again) return;
      if (run === undefined) {
        log.error({ err: error }, 'the store cannot be looked at for a new run, the old one stays');
        return;
      }
      log.error({ err: error, run }, 'the new run is refused, the old one stays');
      swapped('refused');
    }
  };

  const first = async (): Promise<ServedModel> => {
    const { place, run } = options;
    if ('store' in place) return openRun(place.store, run);
    const found = await findCheckpoint(place.model, stopping.signal);
    return openModel(found, { run: undefined, verify: 'none' }, place.model);
  };

  return {
    async open() {
      serve(await first());
    },
    reload(again) {
      busy = busy.then(() => reload(again));
      return busy;
    },
    close() {
      stopping.abort(new EsparseError('cancelled', 'the server is stopping'));
    },
  };
}
