// Chat as applications use it: whole and streamed, tools, structured output, unusual content.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { z, zodFunction, zodResponseFormat } from './sdk.mjs';
import { RENAMED, SAME, controlled, user, withStands } from './stand.mjs';

const WEATHER = {
  type: 'function',
  function: {
    name: 'weather',
    parameters: {
      type: 'object',
      properties: { city: { type: 'string' }, days: { type: 'integer' } },
      required: ['city', 'days'],
    },
  },
};
const Person = z.object({ name: z.string(), age: z.number().int(), friends: z.array(z.string()) });

async function all(stream) {
  const items = [];
  for await (const item of stream) items.push(item);
  return items;
}

withStands((stand) => {
  for (const model of [SAME, RENAMED]) {
    test(`${model} answers a question`, async () => {
      const answer = await stand.client().chat.completions.create({ model, messages: user('Hello, wörld 👋') });
      assert.equal(answer.choices[0].message.content, 'You said: Hello, wörld 👋');
      const { record } = await stand.settle();
      assert.equal(record.id, answer._request_id);
      assert.equal(record.usage.total, answer.usage.total_tokens);
      assert.equal(record.usage.source, 'provider');
    });

    test(`${model} streams piece by piece, without the usage nobody asked for`, async () => {
      const stream = await stand.client().chat.completions.create({ model, messages: user('one two'), stream: true });
      const chunks = await all(stream);
      assert.ok(chunks.every((chunk) => chunk.choices.length === 1 && !chunk.usage));
      const pieces = chunks.map((chunk) => chunk.choices[0].delta.content).filter(Boolean);
      assert.ok(pieces.length > 2);
      assert.equal(pieces.join(''), 'You said: one two');
      assert.equal(chunks.at(-1).choices[0].finish_reason, 'stop');
      const { record } = await stand.settle();
      assert.equal(record.usage.completion, pieces.length);
    });
  }

  test('usage that was asked for comes in the last chunk', async () => {
    const stream = await stand.client().chat.completions.create({
      model: SAME, messages: user('count me'), stream: true, stream_options: { include_usage: true },
    });
    const last = (await all(stream)).at(-1);
    assert.deepEqual(last.choices, []);
    const { record } = await stand.settle();
    assert.equal(record.usage.total, last.usage.total_tokens);
  });

  test('the stream helper assembles the answer', async () => {
    const stream = stand.client().chat.completions.stream({ model: SAME, messages: user('assemble this') });
    let heard = '';
    stream.on('content', (delta) => { heard += delta; });
    assert.equal(await stream.finalContent(), 'You said: assemble this');
    assert.equal(heard, 'You said: assemble this');
    await stand.settle();
  });

  test('a tool is called and its result is answered', async () => {
    const client = stand.client();
    const messages = user('What does weather say?');
    const first = await client.chat.completions.create({ model: SAME, messages, tools: [WEATHER] });
    const [call] = first.choices[0].message.tool_calls;
    assert.equal(first.choices[0].finish_reason, 'tool_calls');
    assert.deepEqual(Object.keys(JSON.parse(call.function.arguments)).sort(), ['city', 'days']);
    messages.push(first.choices[0].message, { role: 'tool', tool_call_id: call.id, content: 'sunny' });
    const second = await client.chat.completions.create({ model: SAME, messages, tools: [WEATHER] });
    assert.equal(second.choices[0].message.content, 'The tool said: sunny');
    await stand.settle();
  });

  test('runTools calls the function with the streamed arguments', async () => {
    const asked = [];
    const parameters = z.object({ city: z.string() });
    const tool = zodFunction({ name: 'weather', parameters, function: (given) => asked.push(given) && 'rain' });
    const runner = stand.client().chat.completions.runTools({
      model: SAME, messages: user('weather please'), tools: [tool], stream: true,
    });
    assert.equal(await runner.finalContent(), 'The tool said: rain');
    assert.equal(asked.length, 1);
    assert.equal(typeof asked[0].city, 'string');
    await stand.settle();
  });

  test('structured output parses', async () => {
    const response_format = zodResponseFormat(Person, 'person');
    const asked = { model: SAME, messages: user('Ada'), response_format };
    const answer = await stand.client().chat.completions.parse(asked);
    assert.equal(typeof answer.choices[0].message.parsed.age, 'number');
    const streamed = await stand.client().chat.completions.stream(asked).finalChatCompletion();
    assert.deepEqual(streamed.choices[0].message.parsed, answer.choices[0].message.parsed);
    await stand.settle();
  });

  test('fields that the gateway does not know survive', async () => {
    const odd = { provider_only: { b: [1, 2.5, 1e-7, null], a: '\u2028' }, metadata: { z: '1', a: '2' } };
    await stand.client().chat.completions.create({ model: SAME, messages: user('odd'), ...odd });
    const { upstream } = await stand.settle();
    assert.ok(upstream[0].body.includes('"b":[1,2.5,1e-7,null]'));
  });

  test('images, audio and files pass as they are', async () => {
    const content = [
      { type: 'text', text: 'what is this?' },
      { type: 'image_url', image_url: { url: 'data:image/png;base64,iVBORw0KGgo=' } },
      { type: 'input_audio', input_audio: { data: 'UklGRg==', format: 'wav' } },
    ];
    await stand.client().chat.completions.create({ model: SAME, messages: user(content) });
    await stand.settle();
  });

  test('a long stream of large events is complete', async () => {
    const model = controlled({ events: 400, 'event-bytes': 4096, burst: 1 });
    const chunks = await all(await stand.client().chat.completions.create({ model, messages: user('go'), stream: true }));
    assert.equal(chunks.filter((chunk) => chunk.choices[0].delta.content).length, 400);
    await stand.settle();
  });

  test('the raw response shows who served it', async () => {
    const call = stand.client().chat.completions.create({ model: RENAMED, messages: user('who?') });
    const { data, response, request_id: id } = await call.withResponse();
    assert.equal(data.choices[0].message.content, 'You said: who?');
    assert.equal(response.headers.get('x-penstock-provider'), 'mock');
    assert.equal(response.headers.get('x-penstock-model'), 'gpt-4o-mini');
    assert.equal(response.headers.get('x-penstock-attempts'), '1');
    assert.equal((await stand.settle()).record.id, id);
  });

  test('fifty streams at once do not mix', async () => {
    const client = stand.client();
    const one = async (number) => {
      const stream = client.chat.completions.stream({ model: SAME, messages: user(`call ${number}`) });
      return stream.finalContent();
    };
    const answers = await Promise.all(Array.from({ length: 50 }, (_, number) => one(number)));
    assert.deepEqual(answers, answers.map((_, number) => `You said: call ${number}`));
    await stand.settle();
  });
});
