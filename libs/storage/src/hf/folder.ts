import type { ByteFolder } from '../byte-source.ts';
import { httpFile } from '../http/file.ts';
import { inParts } from '../in-parts.ts';
import { filePlace, filesOf, pinned } from './hub.ts';
import { textOf, type HubPlace } from './scheme.ts';

/**
 * The files of a model on the hub, at the commit that its revision is now: read by range, wherever the hub keeps them. Large
 * files are redirected to a storage of its own, which never sees the token.
 */
export function hubFolder(wanted: HubPlace): ByteFolder {
  let place = wanted;
  let listing: Promise<ReadonlyMap<string, number>> | undefined;
  const list = async (signal: AbortSignal | undefined) => {
    place = await pinned(wanted, signal);
    return filesOf(place, signal);
  };
  return {
    // With its commit once something was opened.
    get location() {
      return textOf(place);
    },
    async open(name, signal) {
      listing ??= list(signal);
      // What failed may succeed another time.
      listing.catch(() => (listing = undefined));
      const size = (await listing).get(name);
      if (size === undefined) return undefined;
      return inParts(httpFile(filePlace(place, name), { size, isPinned: true, version: undefined }));
    },
  };
}
