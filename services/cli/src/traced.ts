import { createRequire } from 'node:module';

const { version } = createRequire(import.meta.url)('../package.json') as { readonly version: string };

/**
 * Runs a command, and sends its spans where the environment names a collector (OTEL_EXPORTER_OTLP_ENDPOINT). Nothing of
 * telemetry is loaded for a command that has none.
 */
export async function traced(command: string, run: () => Promise<unknown>): Promise<void> {
  if (!Object.keys(process.env).some((name) => name.startsWith('OTEL_'))) {
    await run();
    return;
  }
  const { startTelemetry } = await import('@esparse/telemetry');
  const flush = await startTelemetry(`esparse-${command}`, version);
  try {
    await run();
  } finally {
    await flush();
  }
}
