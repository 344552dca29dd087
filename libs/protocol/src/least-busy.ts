import { connectivityState, experimental, type ChannelOptions } from '@grpc/grpc-js';

/** Name of the policy in a service config. */
export const LEAST_BUSY = 'esparse_least_busy';

/** Called whenever the number of connected workers may have changed, with why others cannot be reached. */
export type ReadyListener = (workers: number, trouble: string | null) => void;

/** Channel option: a `ReadyListener`. */
export const READY_LISTENER = 'esparse.ready_listener';

/** How often names are resolved again, so that a worker that joins is found: gRPC itself asks only after a loss. */
const RESOLVE_AGAIN_MS = 10_000;

/** Most workers behind one name. */
const MAX_WORKERS = 4096;

type Subchannel = experimental.SubchannelInterface;

/** Calls that run on each connection, by the connection itself: it outlives pickers, resolutions and wrappers. */
const running = new WeakMap<object, number>();

class LeastBusyConfig implements experimental.TypedLoadBalancingConfig {
  getLoadBalancerName(): string {
    return LEAST_BUSY;
  }

  toJsonObject(): object {
    return { [LEAST_BUSY]: {} };
  }

  static createFromJson(): LeastBusyConfig {
    return new LeastBusyConfig();
  }
}

/**
 * Sends each call to the connected worker with the fewest calls under way; among equals, round robin. gRPC's round_robin,
 * which it wraps, keeps all workers connected: with long calls of unequal length, round robin alone would queue work
 * behind a busy worker while another idles.
 */
class LeastBusyBalancer implements experimental.LoadBalancer {
  readonly #child: experimental.ChildLoadBalancerHandler;
  readonly #again: NodeJS.Timeout;
  #listener: ReadyListener = () => undefined;

  constructor(helper: experimental.ChannelControlHelper) {
    this.#child = new experimental.ChildLoadBalancerHandler(
      experimental.createChildChannelControlHelper(helper, {
        updateState: (state, picker, error) => {
          const ready = state === connectivityState.READY ? new LeastBusyPicker(picker) : undefined;
          helper.updateState(state, ready ?? picker, error);
          this.#listener(ready?.workers ?? 0, error);
        },
      }),
    );
    this.#again = setInterval(() => {
      helper.requestReresolution();
    }, RESOLVE_AGAIN_MS).unref();
  }

  updateAddressList(
    endpoints: Parameters<experimental.LoadBalancer['updateAddressList']>[0],
    _config: experimental.TypedLoadBalancingConfig,
    options: ChannelOptions,
    note: string,
  ): boolean {
    this.#listener = options[READY_LISTENER] as ReadyListener;
    return this.#child.updateAddressList(endpoints, roundRobin(), options, note);
  }

  exitIdle(): void {
    this.#child.exitIdle();
  }

  resetBackoff(): void {
    this.#child.resetBackoff();
  }

  destroy(): void {
    clearInterval(this.#again);
    this.#child.destroy();
    this.#listener(0, null);
  }

  getTypeName(): string {
    return LEAST_BUSY;
  }
}

class LeastBusyPicker implements experimental.Picker {
  readonly #picks: readonly (experimental.PickResult & { readonly subchannel: Subchannel })[];
  #next = 0;

  /** @param roundRobin - Picks the connected workers one after another. */
  constructor(roundRobin: experimental.Picker) {
    const picks = new Map<object, experimental.PickResult & { readonly subchannel: Subchannel }>();
    for (let i = 0; i < MAX_WORKERS; i++) {
      const pick = roundRobin.pick(NO_ARGUMENTS);
      const { subchannel } = pick;
      if (subchannel === null || picks.has(subchannel.getRealSubchannel())) break;
      picks.set(subchannel.getRealSubchannel(), { ...pick, subchannel });
    }
    this.#picks = [...picks.values()];
  }

  get workers(): number {
    return this.#picks.length;
  }

  pick(): experimental.PickResult {
    let least: experimental.PickResult | undefined;
    let fewest = Infinity;
    for (let i = 0; i < this.#picks.length; i++) {
      const pick = this.#picks[(this.#next + i) % this.#picks.length]!;
      const calls = running.get(pick.subchannel.getRealSubchannel()) ?? 0;
      if (calls >= fewest) continue;
      fewest = calls;
      least = pick;
    }
    this.#next++;
    return counted(least!);
  }
}

/** Counts the call that a pick is for, from its start to its end. */
function counted(pick: experimental.PickResult): experimental.PickResult {
  const connection = pick.subchannel!.getRealSubchannel();
  return {
    ...pick,
    onCallStarted: () => {
      running.set(connection, (running.get(connection) ?? 0) + 1);
      pick.onCallStarted?.();
    },
    onCallEnded: (...outcome) => {
      running.set(connection, (running.get(connection) ?? 1) - 1);
      pick.onCallEnded?.(...outcome);
    },
  };
}

/** The pickers of round_robin use no arguments. */
const NO_ARGUMENTS = {} as experimental.PickArgs;

function roundRobin(): experimental.TypedLoadBalancingConfig {
  return experimental.parseLoadBalancingConfig({ round_robin: {} });
}

experimental.registerLoadBalancerType(LEAST_BUSY, LeastBusyBalancer, LeastBusyConfig);
