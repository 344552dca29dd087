import {
  catchError,
  concatMap,
  defer,
  finalize,
  merge,
  NEVER,
  startWith,
  switchMap,
  take,
  throwError,
  timer,
  type Observable,
} from 'rxjs';
import { EsparseError, isEsparseError, toEsparseError, whereThrown } from '@esparse/errors';
import { writeGuard, type BorrowedArrays } from './borrowed-arrays.ts';
import { andThen, streamOf, type NowOrLater } from './now-or-later.ts';

/** A call of a plug-in: whose it is, and what it is about. */
export interface PluginCall {
  /** Such as 'metric wanda'. */
  readonly plugin: string;
  /** Such as 'block 0, q_proj'. */
  readonly where: string;
  /** The same as fields. */
  readonly context?: Readonly<Record<string, string | number>>;
}

/** How calls of plug-ins are guarded. */
export interface GuardOptions {
  readonly signal?: AbortSignal | undefined;
  /** How long one call may take. @default PLUGIN_TIMEOUT_MS */
  readonly timeoutMs?: number | undefined;
  /** Called when a call begins; what it returns is called when the call has ended. */
  readonly watch?: ((call: PluginCall) => () => void) | undefined;
}

/** How long one call of a plug-in may take: solving for the weights of the widest linears takes minutes. */
export const PLUGIN_TIMEOUT_MS = 30 * 60 * 1000;

/** A call about a linear. */
export function callOn(
  kind: string,
  { name }: { readonly name: string },
  linear: { readonly block: number; readonly name: string },
): PluginCall {
  const { block } = linear;
  return {
    plugin: `${kind} ${name}`,
    where: `block ${block}, ${linear.name}`,
    context: { block, linear: linear.name },
  };
}

/** How one call is guarded. */
export interface CallOptions extends GuardOptions {
  /** Arrays that the plug-in may read and must not write. @default none */
  readonly borrowed?: BorrowedArrays;
  /** Signs of life: the call may take `timeoutMs` from the last of them. @default none */
  readonly beats$?: Observable<unknown>;
}

/**
 * Calls a plug-in, and checks its result and that it has not written to what it borrows. Whatever either throws becomes
 * an error that names plug-in, block and linear; a call that does not settle becomes one after a while. Plain JavaScript
 * may return its result without a promise.
 */
export function guarded<Found, Checked>(
  call: PluginCall,
  work: () => Found | Promise<Found>,
  check: (found: Found) => NowOrLater<Checked>,
  { timeoutMs = PLUGIN_TIMEOUT_MS, watch, borrowed = {}, beats$ = NEVER }: CallOptions = {},
): Observable<Checked> {
  return defer(() => streamOf(writeGuard(borrowed))).pipe(
    concatMap((requireUnwritten) => {
      const leave = watch?.(call);
      // Awaited: RxJS would take a list that comes without a promise for a stream of its elements.
      const found$ = defer(async () => work());
      const late$ = beats$.pipe(
        startWith(undefined),
        switchMap(() => timer(timeoutMs)),
        switchMap(() => throwError(() => hanging(timeoutMs))),
      );
      return merge(found$, late$).pipe(
        take(1),
        concatMap((found) => streamOf(andThen(requireUnwritten(), () => check(found)))),
        finalize(() => leave?.()),
      );
    }),
    catchError((error: unknown) => throwError(() => blamed(call, error))),
  );
}

/** Attributes an error to a call. An EsparseError keeps its kind; any other error is a defect of the plug-in. */
export function blamed({ plugin, where, context }: PluginCall, error: unknown): EsparseError {
  const known = toEsparseError(error);
  if (known.kind === 'cancelled') return known;
  const foreign = !isEsparseError(error) && known.kind === 'internal';
  const line = whereThrown(error);
  return new EsparseError(foreign ? 'usage' : known.kind, `${plugin}, ${where}: ${known.message}`, {
    hint: foreign ? `the plug-in is at fault${line === undefined ? '' : `: it threw ${line}`}` : known.hint,
    context: { ...known.context, ...context },
    cause: error,
  });
}

function hanging(timeoutMs: number): EsparseError {
  return new EsparseError('usage', `no result after ${timeoutMs / 1000} s`, {
    hint: 'a promise that never settles? Where a call takes that long, raise --plugin-timeout',
  });
}
