import {
  InterceptingCall,
  makeClientConstructor,
  type ChannelCredentials,
  type ChannelOptions,
  type Interceptor,
  type ServiceDefinition,
} from '@grpc/grpc-js';
import { telemetryEnabled, traceHeaders } from '@esparse/telemetry';
import {
  FLOW_CONTROL_WINDOW_BYTES,
  KEEPALIVE_MS,
  KEEPALIVE_TIMEOUT_MS,
  MAX_REPLY_BYTES,
  MAX_REQUEST_BYTES,
} from './limits.ts';
import { LEAST_BUSY, READY_LISTENER, type ReadyListener } from './least-busy.ts';
import { WorkerService } from './service.ts';

/** The pause before a lost worker is tried again grows up to this: one that restarts is back within seconds. */
const MAX_RECONNECT_BACKOFF_MS = 5_000;

/** Names are resolved at most this often: a worker that joins is used soon, and a name server is not flooded. */
const LEAST_BETWEEN_RESOLUTIONS_MS = 5_000;

const seconds = (count: number) => ({ seconds: count, nanos: 0 });

/**
 * How gRPC schedules calls: on the least busy worker, leaving out for a while one that fails nearly everything in an
 * interval (no disk, no memory, another pruner's work) while others do not. At least half of the workers stay.
 */
const SERVICE_CONFIG = {
  methodConfig: [],
  loadBalancingConfig: [
    {
      outlier_detection: {
        interval: seconds(10),
        base_ejection_time: seconds(10),
        max_ejection_time: seconds(60),
        max_ejection_percent: 50,
        failure_percentage_ejection: {
          threshold: 90,
          enforcement_percentage: 100,
          minimum_hosts: 2,
          request_volume: 5,
        },
        child_policy: [{ [LEAST_BUSY]: {} }],
      },
    },
  ],
};

/** What a channel reports while it is used. */
export interface ChannelListener {
  /** The number of workers that are connected may have changed; the second argument says why there is none. */
  readonly onReady: ReadyListener;
  /** A message of this many bytes was sent or received. */
  onMessage(bytes: number): void;
}

/** A client of the workers behind one target, over one channel. */
export function openChannel(
  target: string,
  credentials: ChannelCredentials,
  listener: ChannelListener,
): InstanceType<typeof WorkerService> {
  const options: ChannelOptions = {
    'grpc.max_receive_message_length': MAX_REPLY_BYTES,
    'grpc.max_send_message_length': MAX_REQUEST_BYTES,
    'grpc-node.flow_control_window': FLOW_CONTROL_WINDOW_BYTES,
    'grpc.keepalive_time_ms': KEEPALIVE_MS,
    'grpc.keepalive_timeout_ms': KEEPALIVE_TIMEOUT_MS,
    'grpc.max_reconnect_backoff_ms': MAX_RECONNECT_BACKOFF_MS,
    'grpc.dns_min_time_between_resolutions_ms': LEAST_BETWEEN_RESOLUTIONS_MS,
    'grpc.service_config': JSON.stringify(SERVICE_CONFIG),
    // A name server must not change how calls are scheduled.
    'grpc.service_config_disable_resolution': 1,
    // Connections are this channel's own: calls of other channels are not among those it counts.
    'grpc.use_local_subchannel_pool': 1,
    [READY_LISTENER]: listener.onReady,
  };
  const Client = makeClientConstructor(counting(listener), 'Worker') as unknown as typeof WorkerService;
  return new Client(
    target,
    credentials,
    telemetryEnabled() ? { ...options, interceptors: [propagateTrace] } : options,
  );
}

/** The service with encoders and decoders that report the size of each message. */
function counting({ onMessage }: ChannelListener): ServiceDefinition {
  const methods = Object.entries(WorkerService.service as ServiceDefinition).map(([name, method]) => {
    const counted: typeof method = {
      ...method,
      requestSerialize: (value) => {
        const bytes = method.requestSerialize(value);
        onMessage(bytes.length);
        return bytes;
      },
      responseDeserialize: (bytes) => {
        onMessage(bytes.length);
        return method.responseDeserialize(bytes) as unknown;
      },
    };
    return [name, counted] as const;
  });
  return Object.fromEntries(methods);
}

/** Names the active span in the metadata of each call, so that what the worker does becomes its child. */
const propagateTrace: Interceptor = (options, nextCall) =>
  new InterceptingCall(nextCall(options), {
    start(metadata, listener, next) {
      for (const [name, value] of Object.entries(traceHeaders())) metadata.set(name, value);
      next(metadata, listener);
    },
  });
