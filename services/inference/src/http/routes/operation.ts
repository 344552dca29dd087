import type { FastifyInstance } from 'fastify';
import { RequestError } from '@esparse/errors';
import { SOFTWARE_VERSION } from '@esparse/protocol';
import { snakeCased } from '../../api/snake-case.ts';
import type { ServerContext } from '../../server-context.ts';

/** Routes for operators: `/health`, `/ready`, `/metrics`, `/info`. */
export function operationRoutes(app: FastifyInstance, { service, metrics, limits }: ServerContext): void {
  app.get('/health', () => ({ status: 'alive' }));

  app.get('/ready', () => {
    const why = service.unready();
    if (why !== undefined) throw new RequestError('unavailable', why, { code: 'not_ready', retryAfter: 1 });
    return { status: 'ready' };
  });

  app.get('/metrics', async (_, reply) => reply.type(metrics.contentType).send(await metrics.read()));

  app.get('/info', () => {
    const { name, created, facts, engine, text } = service.model(undefined);
    return snakeCased({
      version: SOFTWARE_VERSION,
      model: name,
      run: facts.run ?? null,
      checkpoint: facts.checkpoint,
      opened: created,
      family: facts.family,
      blocks: facts.blocks,
      pattern: facts.pattern ?? null,
      pipeline: facts.pipeline ?? null,
      storeBytes: facts.bytes ?? null,
      weightBytes: engine.weightBytes,
      vocabulary: engine.vocab,
      contextLength: engine.maxContext,
      kvPages: engine.pages,
      kvPageTokens: engine.pageTokens,
      kvPageBytes: engine.pageBytes,
      chatTemplate: text.chatTemplate !== undefined,
      ...engine.device,
      limits,
    });
  });
}
