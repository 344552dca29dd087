import type { CommittedGroup } from '@esparse/store';

/**
 * The arrays of a model as a run of a store groups them: what is outside the blocks, and each block. A checkpoint is read
 * as such a run, too, one whose linears are all dense.
 */
export interface ModelArrays {
  /** What is outside the blocks, each array by its tensor's name. */
  dense(): Promise<ArrayGroup>;
  /** A block: packed linears by their names, and under `dense/` what is not packed, by its tensor's name. */
  block(k: number): Promise<ArrayGroup>;
  /** Ends the use of the files. */
  close(): Promise<void>;
}

/** Arrays, and where their elements are on this machine. */
export interface ArrayGroup extends Pick<CommittedGroup, 'arrays' | 'groupAttributes'> {
  /** What it is called in messages, such as 'blocks/3'. */
  readonly name: string;
  /** Where the elements of an array are. The file stays until the model is closed. */
  locate(array: string): Promise<FilePlace>;
}

/** A place in a local file. */
export interface FilePlace {
  readonly file: string;
  /** Bytes before it. */
  readonly offset: number;
}
