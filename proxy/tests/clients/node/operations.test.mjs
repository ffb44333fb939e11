// Completions, embeddings, moderations and the list of models.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SAME, withStands } from './stand.mjs';

withStands((stand) => {
  test('a prompt is completed, whole and streamed', async () => {
    const asked = { model: 'gpt-3.5-turbo-instruct', prompt: 'Once upon a time' };
    const whole = await stand.client().completions.create(asked);
    let streamed = '';
    for await (const chunk of await stand.client().completions.create({ ...asked, stream: true })) {
      streamed += chunk.choices[0].text;
    }
    assert.equal(streamed, whole.choices[0].text);
    const { records } = await stand.settle();
    assert.ok(records.every((record) => record.operation === 'completions' && record.usage.source === 'provider'));
  });

  test('embeddings come as base64 by default', async () => {
    const asked = { model: 'text-embedding-3-small', input: ['one', 'two'] };
    const decoded = await stand.client().embeddings.create(asked);
    const { upstream } = await stand.settle();
    assert.ok(upstream[0].body.includes('"encoding_format":"base64"'));
    const floats = await stand.client().embeddings.create({ ...asked, encoding_format: 'float' });
    for (const [index, { embedding }] of decoded.data.entries()) {
      assert.equal(embedding.length, 256);
      embedding.forEach((x, n) => assert.ok(Math.abs(x - floats.data[index].embedding[n]) < 1e-6));
    }
    await stand.settle();
  });

  test('a text is moderated', async () => {
    const asked = { model: 'omni-moderation-latest', input: ['be kind', 'kill it'] };
    const answer = await stand.client().moderations.create(asked);
    assert.deepEqual(answer.results.map((result) => result.flagged), [false, true]);
    await stand.settle();
  });

  test('models are listed without asking a provider', async () => {
    const names = [];
    for await (const model of stand.client().models.list()) names.push(model.id);
    assert.ok(names.includes(SAME));
    const { id, created } = await stand.client().models.retrieve(SAME);
    assert.equal(id, SAME);
    assert.ok(created > 1.7e9 && created <= Date.now() / 1000, `created ${created}`);
    await stand.settle({ forwarded: false });
  });
});
