// What an application catches: the SDK's error classes, timeouts, retries, broken streams, calls given up.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OpenAI } from './sdk.mjs';
import { SAME, controlled, user, withStands } from './stand.mjs';

// What the provider says, what the caller gets: a provider that refuses the gateway's own key is not the caller's 401.
const STATUSES = [
  [400, 400, OpenAI.BadRequestError],
  [401, 502, OpenAI.InternalServerError],
  [403, 502, OpenAI.InternalServerError],
  [404, 404, OpenAI.NotFoundError],
  [409, 409, OpenAI.ConflictError],
  [422, 422, OpenAI.UnprocessableEntityError],
  [429, 429, OpenAI.RateLimitError],
  [500, 500, OpenAI.InternalServerError],
  [503, 503, OpenAI.InternalServerError],
];

// What the caller can mend is a refusal, whoever says it.
const CALLERS_OWN = [400, 404, 409, 422];

const ask = (client, model, options = {}, request) =>
  client.chat.completions.create({ model, messages: user('x'), ...options }, request);

withStands((stand) => {
  for (const [upstream, status, kind] of STATUSES) {
    for (const stream of [false, true]) {
      test(`a provider's ${upstream} is the SDK's ${kind.name}, streamed: ${stream}`, async () => {
        const error = await ask(stand.client(), controlled({ status: upstream }), { stream }).catch((caught) => caught);
        assert.ok(error instanceof kind, `${error}`);
        assert.equal(error.status, status);
        assert.ok(error.type);
        const ending = CALLERS_OWN.includes(status) ? 'refused' : 'failed';
        const { record } = await stand.settle({ status, ending });
        assert.equal(record.id, error.requestID);
        assert.deepEqual(record.attempts.map((attempt) => attempt.status), [upstream]);
      });
    }
  }

  test('a wrong key is refused here', async () => {
    await assert.rejects(ask(stand.client({ apiKey: 'sk-wrong' }), SAME), (error) => {
      return error instanceof OpenAI.AuthenticationError && error.code === 'invalid_api_key';
    });
    await stand.settle({ status: 401, ending: 'refused', key: null, forwarded: false });
  });

  test('an unknown model is not found', async () => {
    await assert.rejects(ask(stand.client(), 'no-such-model'), (error) => {
      return error instanceof OpenAI.NotFoundError && error.code === 'model_not_found';
    });
    await stand.settle({ status: 404, ending: 'refused', forwarded: false });
  });

  test('a wrong type names its field', async () => {
    await assert.rejects(ask(stand.client(), SAME, { messages: 'not a list' }), (error) => {
      return error instanceof OpenAI.BadRequestError && error.param === 'messages';
    });
    await stand.settle({ status: 400, ending: 'refused', forwarded: false });
  });

  test('the retries of the SDK are calls of their own', async () => {
    const model = controlled({ status: 503, 'retry-after': '0.05', times: 2, reply: 'third time lucky' });
    const answer = await ask(stand.client({ maxRetries: 2 }), model);
    assert.equal(answer.choices[0].message.content, 'third time lucky');
    await stand.settle({ each: [[503, 'failed'], [503, 'failed'], [200, 'complete']] });
  });

  test('a bad request is not retried', async () => {
    const call = ask(stand.client({ maxRetries: 2 }), controlled({ status: 400 }));
    await assert.rejects(call, OpenAI.BadRequestError);
    await stand.settle({ status: 400, ending: 'refused' });
  });

  for (const stream of [false, true]) {
    test(`a call that times out is cancelled at the provider, streamed: ${stream}`, async () => {
      const call = ask(stand.client(), controlled({ 'delay-ms': 15000 }), { stream }, { timeout: 300 });
      await assert.rejects(call, OpenAI.APIConnectionTimeoutError);
      await stand.waitUpstream('disconnected');
      await stand.settle({ status: null, ending: 'cancelled' });
    });
  }

  test('leaving the loop of a stream cancels it at the provider', async () => {
    const model = controlled({ events: 5000, 'event-delay-ms': 20 });
    let seen = 0;
    for await (const _ of await ask(stand.client(), model, { stream: true })) {
      seen += 1;
      if (seen === 3) break;
    }
    await stand.waitUpstream('disconnected');
    await stand.settle({ ending: 'cancelled' });
  });

  test('aborting by a signal cancels the call at the provider', async () => {
    const abort = new AbortController();
    const call = ask(stand.client(), controlled({ 'delay-ms': 15000 }), {}, { signal: abort.signal });
    setTimeout(() => abort.abort(), 200);
    await assert.rejects(call, OpenAI.APIUserAbortError);
    await stand.waitUpstream('disconnected');
    await stand.settle({ status: null, ending: 'cancelled' });
  });

  for (const fault of ['truncated', 'close-mid', 'reset-mid', 'garbage', 'error-event']) {
    test(`a stream broken by ${fault} throws and never looks complete`, async () => {
      const model = controlled({ events: 6, 'event-delay-ms': 5, fault, 'fault-after': 3 });
      const seen = [];
      await assert.rejects(async () => {
        for await (const chunk of await ask(stand.client(), model, { stream: true })) seen.push(chunk);
      }, OpenAI.APIError);
      assert.ok(seen.length > 0);
      assert.ok(seen.every((chunk) => !chunk.choices[0]?.finish_reason));
      const { record } = await stand.settle({ ending: fault === 'error-event' ? 'failed' : 'truncated' });
      assert.ok(record.error.code);
    });
  }

  for (const fault of ['close-head', 'reset-head', 'close-mid', 'reset-mid', 'garbage']) {
    test(`a whole answer broken by ${fault} is a bad gateway`, async () => {
      const error = await ask(stand.client(), controlled({ fault })).catch((caught) => caught);
      assert.equal(error.status, 502);
      await stand.settle({ status: 502, ending: 'failed', resent: fault.endsWith('head') });
    });
  }
});
