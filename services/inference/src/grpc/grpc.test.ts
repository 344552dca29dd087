import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Duplex } from 'node:stream';
import { credentials, loadPackageDefinition, Metadata, status, type ServiceError } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { InferenceClient, type GenerateReply__Output, type GenerateRequest } from '@esparse/protocol';
import { protoPath } from 'grpc-health-check';
import { eventually, serving } from '../testing/serving.ts';

const home = mkdtempSync(path.join(tmpdir(), 'esparse-grpc-'));
const apiKeyFile = path.join(home, 'keys');
writeFileSync(apiKeyFile, 'secret\n');
const server = serving({ grpc: '127.0.0.1:0', apiKeyFile, maxSequences: 1, maxQueue: 1 });

let client: InstanceType<typeof InferenceClient>;
beforeAll(() => {
  client = new InferenceClient(server.server.grpc!, credentials.createInsecure());
});
afterAll(() => {
  client.close();
  rmSync(home, { recursive: true });
});

function withKey(key = 'secret'): Metadata {
  const metadata = new Metadata();
  metadata.set('authorization', `Bearer ${key}`);
  return metadata;
}

async function generate(request: GenerateRequest, metadata = withKey()): Promise<GenerateReply__Output[]> {
  const replies: GenerateReply__Output[] = [];
  for await (const reply of client.Generate(request, metadata)) replies.push(reply as GenerateReply__Output);
  return replies;
}

const refusedWith = (code: status) => expect.objectContaining({ code }) as ServiceError;
const headers = { authorization: 'Bearer secret', 'content-type': 'application/json' };

test('a text is streamed, and is that of HTTP for the same request', async () => {
  const replies = await generate({
    text: 'Once upon a time',
    maxTokens: 12,
    temperature: 0.7,
    topP: 0.9,
    seed: 5,
  });
  const text = replies.map((reply) => reply.text).join('');
  const response = await server.post(
    '/v1/completions',
    { model: 'llama-2m', prompt: 'Once upon a time', max_tokens: 12, temperature: 0.7, top_p: 0.9, seed: 5 },
    { headers },
  );
  expect(await response.json()).toMatchObject({ choices: [{ text }] });
  expect(replies[0]).toMatchObject({ model: 'llama-2m' });
  expect(replies.at(-1)).toMatchObject({
    finishReason: 'FINISH_REASON_LENGTH',
    usage: { completionTokens: 12 },
  });
});

test('a prompt may be token ids, and tokens are returned with their probabilities', async () => {
  const replies = await generate({ tokens: { ids: [5, 6, 7] }, maxTokens: 3, temperature: 0, logprobs: 2 });
  const tokens = replies.flatMap((reply) => reply.tokens);
  expect(tokens).toHaveLength(3);
  for (const { token, top, logprob } of tokens) {
    expect(top).toHaveLength(2);
    expect(top[0]).toMatchObject({ token, logprob });
  }
  expect(replies.at(-1)!.usage).toEqual({ promptTokens: 3, completionTokens: 3 });
});

test.each<[string, GenerateRequest, status]>([
  ['no prompt', {}, status.INVALID_ARGUMENT],
  ['a token beyond the vocabulary', { tokens: { ids: [9999] } }, status.INVALID_ARGUMENT],
  ['an empty list of tokens', { tokens: { ids: [] } }, status.INVALID_ARGUMENT],
  ['a temperature beyond its range', { text: 'a', temperature: 3 }, status.INVALID_ARGUMENT],
  ['a temperature that is not a number', { text: 'a', temperature: NaN }, status.INVALID_ARGUMENT],
  ['too many stop strings', { text: 'a', stop: new Array<string>(17).fill('a') }, status.INVALID_ARGUMENT],
  ['more tokens than fit', { text: 'a', maxTokens: 5000 }, status.INVALID_ARGUMENT],
  ['another model', { text: 'a', model: 'other' }, status.NOT_FOUND],
  ['a message beyond its size', { text: 'x'.repeat(2_000_000) }, status.RESOURCE_EXHAUSTED],
])('%s is refused with its status', async (_, request, code) => {
  await expect(generate(request)).rejects.toEqual(refusedWith(code));
});

test('a wrong key and none are unauthenticated', async () => {
  await expect(generate({ text: 'a' }, withKey('wrong'))).rejects.toEqual(
    refusedWith(status.UNAUTHENTICATED),
  );
  await expect(generate({ text: 'a' }, new Metadata())).rejects.toEqual(refusedWith(status.UNAUTHENTICATED));
});

test('a full queue is RESOURCE_EXHAUSTED, and a call that is cancelled frees its slot', async () => {
  const calls = [1, 2].map(() => client.Generate({ text: 'a', maxTokens: 1000 }, withKey()));
  for (const call of calls) call.on('error', () => undefined).resume();
  await expect(
    (async () => {
      for (;;) await generate({ text: 'a', maxTokens: 1 });
    })(),
  ).rejects.toEqual(refusedWith(status.RESOURCE_EXHAUSTED));
  for (const call of calls) call.cancel();
  await eventually(async () => {
    const text = await (await server.get('/metrics', { headers })).text();
    return text.includes('\nesparse_admitted_texts 0\n');
  });
  expect(await generate({ text: 'a', maxTokens: 1 })).not.toHaveLength(0);
});

test('calls whose clients have gone end as cancelled, whatever they were about to be sent', async () => {
  const CALLS = 24;
  for (let i = 0; i < CALLS; i++) {
    const call = client.Generate({ text: 'a', maxTokens: 1000, temperature: 2 }, withKey());
    call.on('error', () => undefined);
    await once(call, 'data');
    call.cancel();
  }
  const ended = async (): Promise<Record<string, number>> => {
    const text = await (await server.get('/metrics', { headers })).text();
    const counts = [...text.matchAll(/Generate",method="gRPC",status="(\w+)"} (\d+)$/gm)];
    return Object.fromEntries(counts.map(([, status, count]) => [status!, Number(count)]));
  };
  await eventually(async () => ((await ended()).CANCELLED ?? 0) >= CALLS);
  expect(await ended()).not.toHaveProperty('DEADLINE_EXCEEDED');
});

test('the health service answers SERVING, and reflection names the service', async () => {
  const { grpc } = loadPackageDefinition(loadSync(protoPath)) as unknown as {
    grpc: { health: { v1: { Health: new (...args: unknown[]) => HealthClient } } };
  };
  const health = new grpc.health.v1.Health(server.server.grpc, credentials.createInsecure());
  const reply = await new Promise((resolve, reject) => {
    health.check({ service: 'esparse.v1.Inference' }, (error, answer) => {
      if (error === null) resolve(answer);
      else reject(error);
    });
  });
  expect(reply).toEqual({ status: 1 });
  health.close();

  const reflectionProto = require.resolve('@grpc/reflection/build/proto/grpc/reflection/v1/reflection.proto');
  const { grpc: loaded } = loadPackageDefinition(loadSync(reflectionProto)) as unknown as {
    grpc: { reflection: { v1: { ServerReflection: new (...args: unknown[]) => ReflectionClient } } };
  };
  const reflection = new loaded.reflection.v1.ServerReflection(
    server.server.grpc,
    credentials.createInsecure(),
  );
  const call = reflection.serverReflectionInfo();
  const listed = new Promise((resolve, reject) => call.on('data', resolve).on('error', reject));
  call.write({ listServices: '*' });
  expect(JSON.stringify(await listed)).toContain('esparse.v1.Inference');
  call.end();
  reflection.close();
});

interface HealthClient {
  check(request: object, done: (error: Error | null, reply: unknown) => void): void;
  close(): void;
}

interface ReflectionClient {
  serverReflectionInfo(): Duplex;
  close(): void;
}
