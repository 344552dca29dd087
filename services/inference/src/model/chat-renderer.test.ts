import { createChatRenderer } from './chat-renderer.ts';
import { chatTemplateIn } from './chat-template.ts';

const renderer = createChatRenderer(500);
afterAll(() => {
  renderer.close();
});

const template = (source: string) => ({ source, specialTokens: { bos_token: '<s>' } });
const messages = [{ role: 'user', content: '{{ bos_token }}' }];

test('a template sees the messages and the special tokens, and text in a message is text', async () => {
  const source =
    '{{ bos_token }}{% for m in messages %}[{{ m.role }}] {{ m.content }}{% endfor %}{{ add_generation_prompt }}';
  await expect(renderer.render(template(source), messages)).resolves.toBe('<s>[user] {{ bos_token }}true');
});

test.each([
  ['refuses', "{{ raise_exception('only one message') }}", /only one message/],
  ['is not a template', '{% for %}', /chat template/],
  ['never ends', '{% for i in range(1000000000) %}{% endfor %}', /longer than 0\.5 s|memory/],
  ['writes too much', "{% for i in range(300000) %}{{ 'x' }}{% endfor %}", /characters|longer/],
])('a template that %s is 400, and the next one is rendered', async (_, source, words) => {
  const rendering = renderer.render(template(source), messages);
  await expect(rendering).rejects.toMatchObject({ kind: 'invalid', message: expect.stringMatching(words) });
  await expect(renderer.render(template('ok'), messages)).resolves.toBe('ok');
});

const file = (name: string, text: string) => ({ name, bytes: new TextEncoder().encode(text) });

test('the template is that of its own file, else of the settings, and of several the default', () => {
  const jinja = file('chat_template.jinja', 'A');
  const json = file('chat_template.json', '{"chat_template":"B"}');
  const settings = (chat_template: unknown) =>
    file(
      'tokenizer_config.json',
      JSON.stringify({ chat_template, bos_token: { content: '<s>' }, eos_token: '</s>' }),
    );
  expect(chatTemplateIn([settings('C'), json, jinja])?.source).toBe('A');
  expect(chatTemplateIn([settings('C'), json])?.source).toBe('B');
  expect(chatTemplateIn([settings('C')])).toEqual({
    source: 'C',
    specialTokens: { bos_token: '<s>', eos_token: '</s>' },
  });
  const named = [
    { name: 'tool_use', template: 'D' },
    { name: 'default', template: 'E' },
  ];
  expect(chatTemplateIn([settings(named)])?.source).toBe('E');
  expect(chatTemplateIn([settings(undefined)])).toBeUndefined();
});
