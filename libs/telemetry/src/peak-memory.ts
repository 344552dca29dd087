import { readFileSync } from 'node:fs';

/**
 * The most memory that this process has had resident, in bytes.
 *
 * On Linux it is the kernel's mark of this process alone: that of `getrusage` begins, in a process that was forked, with what
 * the parent had then.
 */
export function peakResidentBytes(): number {
  return markOfLinux() ?? process.resourceUsage().maxRSS * 1024;
}

function markOfLinux(): number | undefined {
  if (process.platform !== 'linux') return undefined;
  try {
    const [, kilobytes] = /^VmHWM:\s*(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8')) ?? [];
    return kilobytes === undefined ? undefined : Number(kilobytes) * 1024;
  } catch {
    // Where /proc is hidden.
    return undefined;
  }
}
