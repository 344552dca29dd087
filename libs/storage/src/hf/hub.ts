import { listFiles, modelInfo } from '@huggingface/hub';
import { EsparseError } from '@esparse/errors';
import type { HttpPlace } from '../http/request.ts';
import { readAnswer } from './answer.ts';
import { isCommit, textOf, type HubPlace } from './scheme.ts';
import { endpoint, headersOf } from './environment.ts';
import { refusalOf } from './refusal.ts';

/** Files directly in a repository at most: a model of 1 TB in shards of 1 GB has a thousand. */
const MAX_FILES = 10_000;

/** Commits that branches and tags were found to be: one for the whole process, however often they are asked for. */
const commits = new Map<string, Promise<string>>();

/** The same place by its commit, as it was when this process first asked. @throws EsparseError for none that can be read */
export async function pinned(place: HubPlace, signal?: AbortSignal): Promise<HubPlace> {
  if (isCommit(place.revision)) return place;
  const key = `${endpoint()} ${textOf(place)}`;
  let commit = commits.get(key);
  if (commit === undefined) {
    commit = commitOf(place, signal);
    commits.set(key, commit);
    // What failed may succeed another time.
    commit.catch(() => commits.delete(key));
  }
  return { repo: place.repo, revision: await commit };
}

async function commitOf(place: HubPlace, signal: AbortSignal | undefined): Promise<string> {
  const { repo: name, revision } = place;
  const { sha } = await modelInfo({
    ...{ name, revision, hubUrl: endpoint(), additionalFields: ['sha'] },
    fetch: asking(place, signal),
  });
  if (typeof sha === 'string' && isCommit(sha)) return sha;
  throw strange(place, 'names no commit');
}

/** The files directly in a repository by name, with their sizes: of large files, not of what points to them. */
export async function filesOf(place: HubPlace, signal?: AbortSignal): Promise<ReadonlyMap<string, number>> {
  const files = new Map<string, number>();
  const options = { repo: place.repo, revision: place.revision, hubUrl: endpoint() };
  for await (const { type, path, size, lfs } of listFiles({ ...options, fetch: asking(place, signal) })) {
    if (type !== 'file') continue;
    const bytes = lfs?.size ?? size;
    if (!Number.isSafeInteger(bytes) || bytes < 0) throw strange(place, `tells no size of ${path}`);
    files.set(path, bytes);
    if (files.size > MAX_FILES) throw strange(place, `has more than ${MAX_FILES} files`);
  }
  return files;
}

/** Where the bytes of a file are. */
export function filePlace(place: HubPlace, name: string): HttpPlace {
  const { repo, revision } = place;
  return {
    url: new URL(`${endpoint()}/${repo}/resolve/${revision}/${encodeURIComponent(name)}`),
    headers: headersOf(),
    refusal: (answer) => refusalOf(place, answer),
  };
}

/** `fetch` as the client library calls it: with our token, tries and limits, and our errors. */
function asking(place: HubPlace, signal: AbortSignal | undefined): typeof fetch {
  return (input) => {
    const url = new URL(input instanceof Request ? input.url : input);
    return readAnswer({ url, headers: headersOf(), refusal: (answer) => refusalOf(place, answer) }, signal);
  };
}

function strange(place: HubPlace, what: string): EsparseError {
  return new EsparseError('store', `${textOf(place)}: ${endpoint()} ${what}`, {
    hint: 'check HF_ENDPOINT: it does not speak as the Hugging Face hub does',
  });
}
