// Vercel's AI SDK, as OpenAI-compatible, OpenAI and Anthropic client, in front of providers that speak another dialect.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { KEY, ReplayStand, absent } from './replay_stand.mjs';
import { ai, createAnthropic, createOpenAI, createOpenAICompatible, z } from './sdk.mjs';

const CLIENTS = {
  'openai-compatible': (url) => createOpenAICompatible({
    name: 'penstock', baseURL: `${url}/v1`, apiKey: KEY, includeUsage: true, supportsStructuredOutputs: true,
  }),
  openai: (url) => createOpenAI({ baseURL: `${url}/v1`, apiKey: KEY }).chat,
  'openai-responses': (url) => createOpenAI({ baseURL: `${url}/v1`, apiKey: KEY }).responses,
  anthropic: (url) => createAnthropic({ baseURL: `${url}/v1`, apiKey: KEY }),
};
// A recording that calls a tool, the tool, and one that answers in a text.
const LOOPS = {
  gemini: ['openai_test_multiple_agent_tool_calls.0', 'get_capital', 'basic_completion_stream_.0'],
  anthropic: [
    'multimodal_tool_returns_test_multimodal_tool_return_matrix_tool_return_content-binary-video-anthropic_.0',
    'get_file', 'anthropic_test_image_url_input.0',
  ],
  bedrock: [
    'bedrock_test_bedrock_media_kind_delivered_in_tool_result_mistral_document_.0', 'get_file',
    'bedrock_test_bedrock_model_iter_stream.1',
  ],
  openai: [
    'tool_choice_matrix_test_tool_choice_matrix_required-huggingface_.0', 'get_weather', 'chat_test_chat.0',
  ],
};
const OBJECTS = {
  anthropic: [
    'chat_with_schema_with_anthropic_claude-haiku-4-5_allows_removing_schema_mid-conversation.0',
    z.object({ name: z.string(), age: z.number() }),
  ],
  gemini: ['google_test_google_decimal_native_output.0', z.object({ amount: z.number() })],
  bedrock: ['bedrock_test_bedrock_zai_native_output.0', z.object({ city: z.string(), country: z.string() })],
};
// Where the provider keeps no answers, the client for responses must send items, not name them.
const providerOptions = { openai: { store: false } };
const RESULT = 'as expected';
const prompt = 'What is the capital of France?';

/** The terms of the replay for what the SDK counted. */
function counted({ inputTokens, outputTokens }) {
  return [inputTokens, outputTokens];
}

function summed(stand, names) {
  const usages = names.map((name) => stand.said(name).usage);
  return ['input', 'output'].map((part) => usages.reduce((sum, usage) => sum + usage[part], 0));
}

describe('the AI SDK', { skip: absent() }, async () => {
  if (absent()) return;
  const stand = await ReplayStand.started();

  for (const [client, create] of Object.entries(CLIENTS)) {
    for (const [provider, [first, name, second]] of Object.entries(LOOPS)) {
      const tools = (seen) => ({
        [name]: ai.tool({
          description: 'Tells what is asked for.',
          inputSchema: z.looseObject({}),
          execute: (given) => {
            seen.push(given);
            return RESULT;
          },
        }),
      });
      const settled = async (seen) => {
        const calls = stand.said(first).calls;
        assert.deepEqual(seen, calls.map(([, given]) => given));
        const { asked: [begun, goneOn] } = await stand.settle({ calls: 2 });
        assert.deepEqual(Object.keys(begun.heard.tools), [name]);
        assert.deepEqual(goneOn.heard.calls, calls);
        assert.deepEqual(goneOn.heard.results, calls.map(() => RESULT));
      };

      test(`${client}: generateText uses a tool of ${provider}`, async () => {
        const seen = [];
        const model = create(stand.url)(stand.model(first, second));
        const answer = await ai.generateText({
          model, prompt, tools: tools(seen), stopWhen: ai.stepCountIs(2), maxRetries: 0, providerOptions,
        });
        assert.equal(answer.text, stand.said(second).text);
        assert.equal(answer.finishReason, 'stop');
        assert.deepEqual(counted(answer.totalUsage), summed(stand, [first, second]));
        await settled(seen);
      });

      test(`${client}: streamText uses a tool of ${provider}`, async () => {
        const seen = [];
        const model = create(stand.url)(stand.model(first, second));
        const answer = ai.streamText({
          model, prompt, tools: tools(seen), stopWhen: ai.stepCountIs(2), maxRetries: 0, providerOptions,
        });
        const kinds = new Set();
        for await (const part of answer.fullStream) {
          assert.notEqual(part.type, 'error', JSON.stringify(part));
          kinds.add(part.type);
        }
        for (const kind of ['tool-call', 'tool-result', 'text-delta', 'finish']) assert.ok(kinds.has(kind), kind);
        assert.equal(await answer.text, stand.said(second).text);
        assert.deepEqual(counted(await answer.totalUsage), summed(stand, [first, second]));
        await settled(seen);
      });
    }

    for (const [provider, [name, schema]] of Object.entries(OBJECTS)) {
      test(`${client}: generateObject gets one of ${provider}`, async () => {
        const model = create(stand.url)(stand.model(name));
        const { object } = await ai.generateObject({ model, prompt, schema, maxRetries: 0, providerOptions });
        assert.deepEqual(object, JSON.parse(stand.said(name).text));
        const { asked: [asked] } = await stand.settle();
        // Of a model that it does not know the client for Anthropic asks for an object by a tool.
        const fields = asked.heard.fields.length > 0 ? asked.heard.fields : asked.heard.tools.json;
        assert.deepEqual(fields, Object.keys(schema.shape).sort());
      });
    }

    for (const provider of ['gemini', 'bedrock', 'anthropic', 'openai', 'cohere']) {
      test(`${client}: a limit of ${provider} is an error with its status`, async () => {
        const model = create(stand.url)(`${provider}/m~none+status=429`);
        await assert.rejects(ai.generateText({ model, prompt, maxRetries: 0 }), (error) => {
          assert.equal(error.statusCode, 429);
          assert.match(error.message, /told to fail/);
          return true;
        });
        await stand.settle({ ending: 'failed' });
      });
    }
  }
});
