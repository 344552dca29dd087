import type { Location, Refuse, Scheme } from '../scheme.ts';

/** A model on the Hugging Face hub, or on a server that speaks as it does. */
export interface HubPlace {
  /** `org/name`. */
  readonly repo: string;
  /** A branch, a tag, a commit, or `refs/pr/N`; 'main' where none was named. */
  readonly revision: string;
}

/** Names that the hub gives: https://huggingface.co/docs/hub. */
const PART = /^(?!.*(--|\.\.))[\w][\w.-]{0,95}$/;
const REVISION = /^[\w][\w.-]*(\/[\w][\w.-]*)*$/;
const MAX_REVISION = 200;
const DEFAULT_REVISION = 'main';

/** A revision that always means the same. */
export function isCommit(revision: string): boolean {
  return /^[0-9a-f]{40}$/.test(revision);
}

/**
 * What the files of a model on the Hugging Face hub are, to be read only. The token is that of HF_TOKEN, the server that of
 * HF_ENDPOINT: neither is part of the location.
 */
export const hfScheme: Scheme = {
  name: 'hf',
  prefixes: ['hf'],
  short: true,
  form: 'hf:ORG/NAME[@REVISION]',
  writable: false,
  parse: (text, refuse) => locationOf(parseHf(text, refuse)),
  show: (text) => text,
};

function locationOf(place: HubPlace): Location {
  const location: Location = {
    scheme: hfScheme.name,
    text: textOf(place),
    name: place.repo.split('/')[1]!,
    absolute: true,
    // A model without a revision contains all of them.
    contains: (other) =>
      other.scheme === hfScheme.name &&
      (other.text === location.text ||
        (place.revision === DEFAULT_REVISION && other.text.startsWith(`${location.text}@`))),
    // A branch may move: all processes of a run read one commit.
    resolve: async () => locationOf(await (await import('./hub.ts')).pinned(place)),
    // Loaded when it is wanted: a user of folders does not wait for it.
    openFolder: async () => (await import('./folder.ts')).hubFolder(place),
  };
  return location;
}

/** The text of a place in its one form. */
export function textOf({ repo, revision }: HubPlace): string {
  return `hf:${repo}${revision === DEFAULT_REVISION ? '' : `@${revision}`}`;
}

/** Understands `hf:org/name` and `hf:org/name@revision`. */
function parseHf(text: string, refuse: Refuse): HubPlace {
  const named = text.replace(/^hf:(\/\/)?/, '');
  const at = named.indexOf('@');
  const repo = at < 0 ? named : named.slice(0, at);
  const revision = at < 0 ? DEFAULT_REVISION : named.slice(at + 1);
  const parts = repo.split('/');
  if (parts.length !== 2 || !parts.every((part) => PART.test(part))) return refuse('is not hf:ORG/NAME');
  const isRevision = revision.length <= MAX_REVISION && REVISION.test(revision) && !revision.includes('..');
  if (!isRevision) return refuse('has no branch, tag or commit behind @');
  return { repo, revision };
}
