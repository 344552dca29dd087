import type { EngineFacts } from '../engine/messages.ts';
import type { ModelFacts } from './model-facts.ts';
import type { TextSide } from './text-side.ts';

/** An open model: its engine, its text side, and facts about it. */
export interface ServedModel {
  /** Its number on the engine's thread. */
  readonly id: number;
  /** What clients call it. */
  readonly name: string;
  /** What its texts come from: the fingerprint of its run, or the digest of the checkpoint. */
  readonly identity: string;
  /** Of the files of its tokenizer, which may be renewed in a run. */
  readonly version: string;
  /** When it was opened, in seconds since 1970. */
  readonly created: number;
  readonly engine: EngineFacts;
  readonly facts: ModelFacts;
  readonly text: TextSide;
}

/** A model in use: it stays open until the lease is released. */
export interface Lease {
  readonly model: ServedModel;
  /** A second call does nothing. */
  release(): void;
}

/** The model that new requests use, and older ones that still serve requests. */
export interface ServedModels {
  readonly current: ServedModel | undefined;
  lease(): Lease | undefined;
  /** New requests use this one; the one before is closed when its last request has ended. */
  replace(model: ServedModel): void;
  /** The server is stopping: closes every text side. */
  closeTexts(): void;
}

/** Closes what nothing uses any more; several models may have one text side. */
export interface ModelClosing {
  model(model: ServedModel): void;
  text(text: TextSide): void;
}

export function createServedModels(closing: ModelClosing): ServedModels {
  let current: ServedModel | undefined;
  const uses = new Map<ServedModel, number>();

  const open = () => [...(current === undefined ? [] : [current]), ...uses.keys()];

  const closeIfUnused = (model: ServedModel) => {
    if (model === current || uses.has(model)) return;
    closing.model(model);
    if (!open().some(({ text }) => text === model.text)) closing.text(model.text);
  };

  return {
    get current() {
      return current;
    },
    lease() {
      if (current === undefined) return undefined;
      const model = current;
      uses.set(model, (uses.get(model) ?? 0) + 1);
      let released = false;
      return {
        model,
        release() {
          if (released) return;
          released = true;
          const left = uses.get(model)! - 1;
          if (left > 0) uses.set(model, left);
          else {
            uses.delete(model);
            closeIfUnused(model);
          }
        },
      };
    },
    replace(model) {
      const before = current;
      current = model;
      if (before !== undefined) closeIfUnused(before);
    },
    closeTexts() {
      for (const text of new Set(open().map((model) => model.text))) closing.text(text);
    },
  };
}
