// The OpenAI SDK's responses beyond one question and its answer: errors within streams, answers that are come back to; and
// what Vercel's AI SDK makes of such errors.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { PATIENCE_MS } from './running.mjs';
import { KEY, ReplayStand, absent } from './replay_stand.mjs';
import { OpenAI, ai, createOpenAI } from './sdk.mjs';

// A recording of each provider that says a text, and after how many events it has begun to.
const TEXTS = {
  anthropic: ['anthropic_test_image_url_input.0', 6],
  openai: ['chat_test_chat.0', 3],
  gemini: ['google_test_google_httpx_client_is_not_closed.0', 1],
  bedrock: ['bedrock_test_bedrock_model_iter_stream.1', 4],
};
// One of a provider that keeps its answers.
const KEPT = 'openai_responses_test_openai_responses_image_url_input.0';

describe('responses', { skip: absent() }, async () => {
  if (absent()) return;
  const stand = await ReplayStand.started();
  const client = new OpenAI({ apiKey: KEY, baseURL: `${stand.url}/v1`, maxRetries: 0, timeout: PATIENCE_MS });

  for (const [provider, [name, begun]] of Object.entries(TEXTS)) {
    for (const [wish, ending] of [['error', 'failed'], ['cut', 'truncated']]) {
      const model = () => `${stand.model(name)}+${wish}-after=${begun}`;

      test(`a stream of ${provider} with ${wish} throws`, async () => {
        const seen = [];
        await assert.rejects(async () => {
          const events = await client.responses.create({ model: model(), input: 'Hello', stream: true });
          for await (const event of events) seen.push(event.type);
        }, OpenAI.APIError);
        assert.ok(seen.includes('response.output_text.delta'), `${seen}`);
        assert.ok(!seen.includes('response.completed'));
        await stand.settle({ ending });
      });

      test(`the AI SDK hears of ${wish} in a stream of ${provider}`, async () => {
        const asked = { model: createOpenAI({ baseURL: `${stand.url}/v1`, apiKey: KEY }).responses(model()) };
        const answer = ai.streamText({ ...asked, prompt: 'Hello', maxRetries: 0, onError: () => {} });
        const kinds = [];
        for await (const part of answer.fullStream) kinds.push(part.type);
        assert.ok(kinds.includes('error'), `${kinds}`);
        await stand.settle({ ending });
      });
    }

    test(`an answer of ${provider} that nobody keeps says so`, async () => {
      const { id } = await client.responses.create({ model: stand.model(name), input: 'Hello' });
      await stand.settle();
      await assert.rejects(client.responses.retrieve(id), (error) => {
        return error instanceof OpenAI.NotFoundError && error.code === 'response_not_kept';
      });
      await stand.takeRecords(1);
    });
  }

  test('an answer is fetched, heard again and deleted', async () => {
    const answer = await client.responses.create({ model: stand.model(KEPT), input: 'Hello', background: true });
    assert.equal(answer.status, 'queued');
    const done = await client.responses.retrieve(answer.id);
    assert.deepEqual([done.status, done.output_text], ['completed', stand.said(KEPT).text]);
    const kinds = [];
    for await (const event of await client.responses.retrieve(answer.id, { stream: true })) kinds.push(event.type);
    assert.deepEqual([kinds.at(0), kinds.at(-1)], ['response.created', 'response.completed']);
    const items = await client.responses.inputItems.list(answer.id);
    assert.equal(items.data[0].content[0].text, 'Hello');
    assert.equal((await client.responses.cancel(answer.id)).status, 'cancelled');
    await client.responses.delete(answer.id);
    const { records } = await stand.settle({ calls: 6 });
    const { input } = stand.said(KEPT).usage;
    assert.deepEqual(records.map((record) => record.usage.prompt), [null, input, null, null, null, null]);
  });
});
