import type { FastifyInstance } from 'fastify';
import type { ServedModel } from '../../model/served-model.ts';
import type { ServerContext } from '../../server-context.ts';

/** `GET /v1/models` and `GET /v1/models/NAME`, where a name may have slashes. */
export function modelRoutes(app: FastifyInstance, { service }: ServerContext): void {
  app.get('/v1/models', () => ({ object: 'list', data: [describe(service.model(undefined))] }));
  app.get<{ Params: { '*': string } }>('/v1/models/*', ({ params }) => describe(service.model(params['*'])));
}

function describe({ name, created, facts, engine }: ServedModel) {
  const { run = null } = facts;
  return { id: name, object: 'model', created, owned_by: 'esparse', run, context_length: engine.maxContext };
}
