// The plugins at work under a real SDK: what a guard takes out is gone on both sides, whole and streamed.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SAME, controlled, user, withStands } from './stand.mjs';

const SECRET = `sk-proj-${'Ab3dEf6hIj9lMn2pQr5tUv8xYz1C'.repeat(2)}`;

withStands((stand) => {
  test('a secret in a question never reaches the provider', async () => {
    const messages = user(`my key is ${SECRET}, keep it`);
    const answer = await stand.client().chat.completions.create({ model: SAME, messages });
    assert.equal(answer.choices[0].message.content, 'You said: my key is [gone], keep it');
    await stand.settle({ edits: { [SECRET]: '[gone]' } });
  });

  for (const size of [1, 3, 7, 64]) {
    test(`a secret in a stream of ${size}-byte pieces is taken out`, async () => {
      const model = controlled({ 'piece-bytes': size, reply: `take ${SECRET} and go` });
      const stream = stand.client().chat.completions.stream({ model, messages: user('tell me') });
      assert.equal(await stream.finalContent(), 'take [gone] and go');
      await stand.settle();
    });
  }

  test('a secret in a whole answer is taken out', async () => {
    const model = controlled({ reply: `take ${SECRET} and go` });
    const answer = await stand.client().chat.completions.create({ model, messages: user('tell me') });
    assert.equal(answer.choices[0].message.content, 'take [gone] and go');
    await stand.settle();
  });
}, ['chain']);
