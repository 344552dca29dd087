import { fork } from 'node:child_process';
import { once } from 'node:events';
import { heading, print } from '../table.ts';

/** The widest feed-forward layer in use: LLaMA-3.1-405B has 53248, Llama-3-70B and Qwen2-72B 28672 and 29568. */
const CHANNELS = 28_672;
const SEQUENCES = 8;
const ROWS = 128;

const GIB = 2 ** 30;
/** What the Hessian may have of memory, and what the process may have with everything else. */
const MEMORY = GIB;
const BOUND = 2 * GIB;

/** What a process that gathers a Hessian reports when it is done. */
export interface HessianFigures {
  readonly gather: number;
  readonly finish: number;
  readonly multiply: number;
  /** Bytes of the sums and of the Hessian in memory and in the file. */
  readonly sums: { readonly memory: number; readonly file: number };
  readonly hessian: { readonly memory: number; readonly file: number };
  /** The highest resident size, as the kernel reports it. */
  readonly peak: number;
}

/** Gathers the Hessian of a tap that is too wide for memory, and multiplies with it. */
export async function benchHessian(scratch: string): Promise<void> {
  heading(
    `the Hessian of ${CHANNELS} channels in ${gib(MEMORY)} of memory: ${SEQUENCES} sequences of ${ROWS} rows`,
  );
  const args = [CHANNELS, SEQUENCES, ROWS, MEMORY].map(String);
  const child = fork(new URL('hessian-process.js', import.meta.url), args, {
    stdio: 'inherit',
    env: { ...process.env, TMPDIR: scratch },
  });
  const [figures] = (await once(child, 'message')) as [HessianFigures];
  await once(child, 'exit');
  const { sums, hessian, peak } = figures;
  print({ name: 'sums, in memory + in the file', measured: `${gib(sums.memory)} + ${gib(sums.file)}` });
  print({
    name: 'matrix, in memory + in the file',
    measured: `${gib(hessian.memory)} + ${gib(hessian.file)}`,
  });
  for (const phase of ['gather', 'finish', 'multiply'] as const)
    print({ name: `  ${phase}`, measured: `${figures[phase].toFixed(1)} s` });
  print({
    name: 'peak resident size of the process (VmHWM)',
    measured: gib(peak),
    target: `< ${gib(BOUND)}`,
    met: peak < BOUND,
  });
}

function gib(bytes: number): string {
  return `${(bytes / GIB).toFixed(2)} GiB`;
}
