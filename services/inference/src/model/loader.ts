import path from 'node:path';
import { EsparseError, toEsparseError } from '@esparse/errors';
import { nameOfLocation } from '@esparse/storage';
import { openStore } from '@esparse/store';
import type { Logger } from 'pino';
import type { EngineThread } from '../engine/start-engine.ts';
import { readRunFacts } from './run-facts.ts';
import type { ServedModel, ServedModels } from './served-model.ts';
import { openTextSide } from './text-side.ts';
import { verifyRun } from './verify-run.ts';

/** When the checksums of a run are compared: before it is served, while it is, or never. */
export type VerifyMode = 'full' | 'background' | 'none';

export interface LoaderOptions {
  readonly store: string;
  /** The run to serve, or its first digits. @default the store's current one, followed when it changes */
  readonly run?: string | undefined;
  readonly modelName?: string | undefined;
  readonly verify: VerifyMode;
}

export interface Loader {
  /** Opens the run that is to be served. @throws EsparseError where it cannot be */
  open(): Promise<void>;
  /**
   * Opens the store's current run beside the old one and serves it, if it is another by now. A run
   * that cannot be served is logged and the old one stays.
   *
   * @param again also tries a run that was refused before
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

/** Opens runs of a store as models to serve. */
export function createLoader(options: LoaderOptions, dependencies: LoaderDependencies): Loader {
  const { engine, models, log, swapped } = dependencies;
  const stopping = new AbortController();
  let refused: string | undefined;
  let busy: Promise<void> = Promise.resolve();

  const openModel = async (fingerprint: string | undefined): Promise<ServedModel> => {
    const run = await (await openStore(options.store)).openRun(fingerprint);
    const facts = await readRunFacts(run);
    const target = { store: options.store, run: run.fingerprint };
    if (options.verify === 'full') await verifyRun(target, stopping.signal);
    const before = models.current?.text;
    const text = await openTextSide(run, facts.config, before, stopping.signal);
    const { model: id, facts: engineFacts } = await engine.load(run.fingerprint).catch((error: unknown) => {
      if (text !== before) text.tokenizer.close();
      throw error;
    });
    return {
      id,
      name: options.modelName ?? facts.name ?? path.basename(nameOfLocation(options.store), '.zarr'),
      run: run.fingerprint,
      created: Math.floor(Date.now() / 1000),
      engine: engineFacts,
      facts,
      text,
    };
  };

  const serve = (model: ServedModel) => {
    models.replace(model);
    log.info({ run: model.run, model: model.name, pattern: model.facts.pattern }, 'model is served');
    if (options.verify === 'background') void verifyLater(model.run);
  };

  const verifyLater = async (run: string) => {
    try {
      await verifyRun({ store: options.store, run }, stopping.signal);
      log.info({ run }, 'every checksum is right');
    } catch (error) {
      if (!stopping.signal.aborted) log.error({ err: error, run }, 'the run that is served is damaged');
    }
  };

  const reload = async (again: boolean): Promise<void> => {
    if (options.run !== undefined) {
      log.warn({ run: options.run }, 'a run was named with --run: it stays');
      return;
    }
    let wanted: string | undefined = 'current';
    try {
      wanted = await (await openStore(options.store)).current();
      if (wanted === undefined || wanted === models.current?.run) return;
      if (wanted === refused && !again) return;
      const started = performance.now();
      serve(await openModel(wanted));
      refused = undefined;
      log.info({ run: wanted, seconds: (performance.now() - started) / 1000 }, 'swapped to the new run');
      swapped('done');
    } catch (thrown) {
      if (stopping.signal.aborted) return;
      if (wanted === refused && !again) return; // logged already
      refused = wanted;
      const error = toEsparseError(thrown);
      log.error({ err: error, run: wanted }, 'the new run is refused, the old one stays');
      swapped('refused');
    }
  };

  return {
    async open() {
      serve(await openModel(options.run));
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
