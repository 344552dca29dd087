import { readFile } from 'node:fs/promises';

/** What the kernel says of a process's memory, in bytes. */
export interface Resident {
  /** Resident pages of its own: heaps, arrays, stacks. */
  readonly anonymous: number;
  /** Resident pages of mapped files, programs and libraries among them: shared, and given up under pressure. */
  readonly file: number;
  /** Both together at their highest since the process began. */
  readonly peak: number;
}

/** Reads /proc/<pid>/status; undefined where the process has ended. */
export async function residentOf(pid: number): Promise<Resident | undefined> {
  try {
    const status = await readFile(`/proc/${pid}/status`, 'utf8');
    const of = (name: string): number => {
      const kib = new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1];
      if (kib === undefined) throw new Error(`/proc/${pid}/status has no ${name}`);
      return Number(kib) * 1024;
    };
    return { anonymous: of('RssAnon'), file: of('RssFile'), peak: of('VmHWM') };
  } catch {
    return undefined;
  }
}
