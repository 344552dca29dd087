import { connect } from 'node:net';
import { eventually, serving } from '../testing/serving.ts';

const server = serving({ maxSequences: 4, maxQueue: 16 });

const request = (fields: object) => {
  const body = JSON.stringify({ model: 'llama-2m', prompt: 'The', max_tokens: 1000, ...fields });
  return (
    `POST /v1/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n` +
    `content-length: ${body.length}\r\n\r\n${body}`
  );
};

test('requests that wait behind others of their connection end with it: each gives up its place', async () => {
  const socket = connect(Number(new URL(server.server.url).port), '127.0.0.1');
  socket.on('error', () => undefined);
  socket.write(request({ stream: true, n: 4 }) + request({ n: 4 }) + request({ stream: true, n: 4 }));
  await eventually(async () => (await server.metric('admitted_texts')) === 12);
  socket.destroy();
  const gone = 'requests_total{route="/v1/completions",method="POST",status="499"}';
  await eventually(async () => (await server.metric(gone)) === 3);
  expect(await server.metric('admitted_texts')).toBe(0);
});

test('requests that are sent one behind the other are answered in their order', async () => {
  const socket = connect(Number(new URL(server.server.url).port), '127.0.0.1');
  let answers = '';
  socket.setEncoding('utf8').on('data', (text: string) => (answers += text));
  socket.write(
    request({ max_tokens: 20, stream: true }) + request({ max_tokens: 3 }) + request({ max_tokens: 0 }),
  );
  await eventually(() => answers.includes('max_tokens: 0 generates nothing'));
  expect(answers.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 200', 'HTTP/1.1 200', 'HTTP/1.1 400']);
  expect(answers.indexOf('[DONE]')).toBeLessThan(answers.indexOf('"completion_tokens":3'));
  socket.destroy();
});
