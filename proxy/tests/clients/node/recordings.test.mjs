// The OpenAI SDK gets every recorded answer of providers that speak another dialect, as chat completions and as
// responses, the Anthropic SDK every one of those that speak OpenAI's, whole and streamed.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { PATIENCE_MS } from './running.mjs';
import { KEY, ReplayStand, absent } from './replay_stand.mjs';
import { Anthropic, OpenAI } from './sdk.mjs';

const SYSTEM = 'Answer in one sentence.';
const TEXT = 'Which way is the Straße nach Łódź? 👋';
const STOPS = {
  end_turn: 'stop', stop_sequence: 'stop', max_tokens: 'length', tool_use: 'tool_calls', refusal: 'content_filter',
};

function schemas(calls) {
  const schema = (given) => ({
    type: 'object', properties: Object.fromEntries(Object.keys(given).map((key) => [key, {}])),
  });
  return Object.entries(Object.fromEntries(calls.map(([name, given]) => [name, schema(given)])));
}

async function throughOpenAI(stand, name, stream) {
  const client = new OpenAI({ apiKey: KEY, baseURL: `${stand.url}/v1`, maxRetries: 0, timeout: PATIENCE_MS });
  const tools = schemas(stand.said(name).calls).map(([named, parameters]) => {
    return { type: 'function', function: { name: named, parameters } };
  });
  const asked = {
    model: stand.model(name),
    messages: [{ role: 'system', content: SYSTEM }, { role: 'user', content: TEXT }],
    ...(tools.length > 0 && { tools }),
  };
  const answer = stream
    ? await client.chat.completions.stream({ ...asked, stream_options: { include_usage: true } }).finalChatCompletion()
    : await client.chat.completions.create(asked);
  const { message, finish_reason: finish } = answer.choices[0];
  const { usage } = answer;
  return {
    text: message.content ?? '',
    calls: (message.tool_calls ?? []).map((call) => [call.function.name, JSON.parse(call.function.arguments)]),
    finish,
    input: usage.prompt_tokens,
    output: usage.completion_tokens,
    cached: usage.prompt_tokens_details?.cached_tokens ?? 0,
  };
}

/** The response that ends a stream; the helper of the SDK knows no other than a completed one. */
async function lastOf(events) {
  let last;
  for await (const event of events) {
    if (['response.completed', 'response.incomplete'].includes(event.type)) last = event.response;
  }
  return last;
}

async function throughResponses(stand, name, stream) {
  const client = new OpenAI({ apiKey: KEY, baseURL: `${stand.url}/v1`, maxRetries: 0, timeout: PATIENCE_MS });
  const tools = schemas(stand.said(name).calls).map(([named, parameters]) => {
    return { type: 'function', name: named, parameters, strict: false };
  });
  const asked = {
    model: stand.model(name), instructions: SYSTEM, input: TEXT, store: false, ...(tools.length > 0 && { tools }),
  };
  const answer = stream
    ? await lastOf(await client.responses.create({ ...asked, stream: true }))
    : await client.responses.create(asked);
  const { output, usage } = answer;
  const parts = output.flatMap((item) => (item.type === 'message' ? item.content : []));
  const calls = output.filter((item) => item.type === 'function_call');
  const why = { max_output_tokens: 'length', content_filter: 'content_filter' };
  const finish = answer.status === 'incomplete' ? why[answer.incomplete_details.reason] : 'stop';
  return {
    text: parts.map((part) => part.text ?? '').join(''),
    calls: calls.map((call) => [call.name, JSON.parse(call.arguments)]),
    finish: finish === 'stop' && calls.length > 0 ? 'tool_calls' : finish,
    // Null where nobody counted.
    input: usage?.input_tokens,
    output: usage?.output_tokens,
    cached: usage?.input_tokens_details.cached_tokens,
  };
}

async function throughAnthropic(stand, name, stream) {
  const client = new Anthropic({ apiKey: KEY, baseURL: stand.url, maxRetries: 0, timeout: PATIENCE_MS });
  const tools = schemas(stand.said(name).calls).map(([named, schema]) => ({ name: named, input_schema: schema }));
  const asked = {
    model: stand.model(name), system: SYSTEM, max_tokens: 4000, messages: [{ role: 'user', content: TEXT }],
    ...(tools.length > 0 && { tools }),
  };
  const answer = stream ? await client.messages.stream(asked).finalMessage() : await client.messages.create(asked);
  const { usage } = answer;
  const cached = usage.cache_read_input_tokens ?? 0;
  return {
    text: answer.content.map((block) => block.text ?? '').join(''),
    calls: answer.content.filter((block) => block.type === 'tool_use').map((block) => [block.name, block.input]),
    finish: STOPS[answer.stop_reason],
    input: usage.input_tokens + cached + (usage.cache_creation_input_tokens ?? 0),
    output: usage.output_tokens,
    cached,
  };
}

const SDKS = [
  ['openai', throughOpenAI, (answer) => answer.api !== 'openai.chat'],
  ['responses', throughResponses, (answer) => answer.api !== 'openai.responses'],
  ['anthropic', throughAnthropic, (answer) => answer.api === 'openai.chat'],
];

describe('recordings', { skip: absent() }, async () => {
  if (absent()) return;
  const stand = await ReplayStand.started();
  for (const [sdk, through, wanted] of SDKS) {
    for (const name of stand.named(wanted)) {
      for (const stream of [false, true]) {
        test(`${sdk} gets ${name}, ${stream ? 'streamed' : 'whole'}`, async () => {
          const { text, calls, finish, usage } = stand.said(name);
          const told = await through(stand, name, stream);
          const { input, output, cached } = usage ?? { input: told.input, output: told.output, cached: told.cached };
          assert.deepEqual(told, { text, calls, finish, input, output, cached });
          const { asked: [asked] } = await stand.settle();
          assert.equal(asked.stream, stream);
          assert.deepEqual([asked.heard.system, asked.heard.texts], [SYSTEM, [TEXT]]);
        });
      }
    }
  }
});
