import type { ByteFolder } from './byte-source.ts';
import type { ObjectStore } from './object-store.ts';

/**
 * A kind of place that models and stores can be in. No other code names it: a further scheme is one implementation of
 * this type, and its registration (see `registerScheme`).
 */
export interface Scheme {
  readonly name: string;
  /** What its locations begin with, without `://`, in lower case. None for folders, which are what has no scheme. */
  readonly prefixes: readonly string[];
  /** Whether a location may be written without the slashes: `hf:org/name`. @default false */
  readonly short?: boolean;
  /** How hints write a location of it: 's3://BUCKET/PREFIX'. */
  readonly form: string;
  /** Whether a store can be there: its locations have `openObjects`. */
  readonly writable: boolean;
  /** Understands the text of a location, or calls `refuse` with what is wrong with it ("names no bucket"). */
  parse(text: string, refuse: Refuse): Location;
  /** Takes credentials out of any text of the scheme, also one that cannot be parsed. */
  show(text: string): string;
}

/** Throws the error that names a location and what is wrong with it, such as 'names no bucket'. */
export type Refuse = (fault: string) => never;

/** A place that its scheme has understood. Nothing is asked of it before something in it is opened. */
export interface Location {
  readonly scheme: string;
  /** Its text in its one form, with the credentials that it holds; a folder's as it was written. */
  readonly text: string;
  /** The name of what is there: the last part of a path, mostly. */
  readonly name: string;
  /** Whether its text means the same in every process of a machine: false for a relative path. */
  readonly absolute: boolean;
  /** Whether another location of the same scheme is this one or lies below it. Folders as written: resolve them before. */
  contains(other: Location): boolean;
  /** The same location as every process of a machine understands it: a folder by its real path. @throws the system's error for no such folder */
  resolve(): Promise<Location>;
  /** The files directly in it, to be read by range. */
  openFolder(): Promise<ByteFolder>;
  /** The objects below it, to be read and written; absent where nothing can be written. */
  openObjects?(): Promise<ObjectStore>;
}
