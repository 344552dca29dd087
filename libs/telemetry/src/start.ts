/** How long sending the last spans may take at the end of a process: it does not wait for a slow collector. */
const FLUSH_MS = 3_000;

/** True where the environment names a collector, by the variables of OpenTelemetry. */
export function telemetryEnabled(env: NodeJS.ProcessEnv = process.env): boolean {
  const endpoint = env.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT ?? env.OTEL_EXPORTER_OTLP_ENDPOINT ?? '';
  return endpoint !== '' && env.OTEL_SDK_DISABLED !== 'true' && env.OTEL_TRACES_EXPORTER !== 'none';
}

/**
 * Begins to collect and send spans where the environment names a collector; the SDK is loaded only then.
 *
 * @param service - What the process is called, unless OTEL_SERVICE_NAME says so.
 * @returns a function that sends what is left, within 3 s, and never fails
 */
export async function startTelemetry(service: string, version: string): Promise<() => Promise<void>> {
  if (!telemetryEnabled()) return () => Promise.resolve();
  const { startSdk } = await import('./sdk.ts');
  const shutdown = startSdk(service, version);
  return async () => {
    const giveUp = new Promise<void>((resolve) => {
      setTimeout(resolve, FLUSH_MS).unref();
    });
    await Promise.race([shutdown().catch(() => undefined), giveUp]);
  };
}
