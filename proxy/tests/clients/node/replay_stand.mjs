// The real gateway in front of the replay (../replay): a provider for each dialect, with the recordings as models. What
// an answer says, and what a provider was asked, is told by the replay in the terms that all dialects share.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, beforeEach } from 'node:test';
import { KEY, PLUGINS, Running, freePort } from './running.mjs';
import { ROOT } from './sdk.mjs';

// Provider, wire format, base path at the replay, dialect, header of its key.
const PROVIDERS = [
  ['anthropic', 'anthropic.messages', '/anthropic/v1', 'anthropic-messages', 'x-api-key'],
  ['openai', 'openai.chat', '/openai/v1', 'openai-chat'],
  ['responses', 'openai.responses', '/openai/v1', 'openai-responses'],
  ['gemini', 'gemini.generate', '/gemini/v1beta', 'gemini', 'x-goog-api-key'],
  ['bedrock', 'bedrock.converse', '/bedrock', 'bedrock-converse'],
  ['cohere', 'cohere.chat_v2', '/cohere/v2', 'cohere'],
];
const RECORDINGS = path.resolve(ROOT, '../shared/recordings');

/** Why the tests of recordings cannot run; false where they can. */
export function absent() {
  if (fs.existsSync(RECORDINGS)) return false;
  assert.ok(!process.env.PENSTOCK_REQUIRE_SHARED, '../shared/recordings is absent');
  return '../shared/recordings is absent';
}

export class ReplayStand extends Running {
  /** Starts now, so that tests can be declared by what there is, and ends with the file's tests. */
  static async started() {
    const stand = new ReplayStand();
    beforeEach(() => stand.forget());
    after(() => stand.close());
    stand.open();
    const [port, address, admin] = [await freePort(), await freePort(), await freePort()];
    stand.replay = `http://127.0.0.1:${port}`;
    stand.url = `http://127.0.0.1:${address}`;
    const program = process.env.PENSTOCK_PYTHON ?? 'python3';
    const env = { ...process.env, PYTHONDONTWRITEBYTECODE: '1' };
    stand.spawn(program, ['-m', 'replay', String(port)], { cwd: path.dirname(import.meta.dirname), env });
    await stand.waitFor(`${stand.replay}/__replay/requests`);
    await stand.runGateway(stand.configuration(`127.0.0.1:${address}`, `127.0.0.1:${admin}`));
    stand.answers = await (await fetch(`${stand.replay}/__replay/answers`)).json();
    return stand;
  }

  configuration(address, admin) {
    const credential = path.join(this.folder, 'credential');
    fs.writeFileSync(credential, 'sk-upstream-0123456789');
    const provider = ([name, , base, dialect, header]) => [name, {
      base_url: this.replay + base, dialects: [dialect], credentials: [`file:${credential}`],
      ...(header && { auth: { header } }),
    }];
    return {
      listeners: [{ address }],
      admin: { address: admin },
      record: this.log,
      plugin_dir: PLUGINS,
      providers: Object.fromEntries(PROVIDERS.map(provider)),
      models: PROVIDERS.map(([name]) => ({ name: `${name}/*`, targets: [{ provider: name, model: '*' }] })),
      keys: [{ name: 'tests', key: `file:${this.key}`, models: ['*'] }],
    };
  }

  /** The model that is answered with these recordings, one turn after the other. */
  model(...names) {
    const { api, model } = this.answers[names[0]];
    const [provider] = PROVIDERS.find(([, format]) => format === api);
    return `${provider}/${model}~${names.join(',')}`;
  }

  said(name) {
    return this.answers[name].said;
  }

  /** The names of recorded answers that have been good, of one wire format or of all but one. */
  named(wanted) {
    return Object.keys(this.answers).filter((name) => this.said(name) && wanted(this.answers[name]));
  }

  async forget() {
    this.settled = this.records().length;
    await fetch(`${this.replay}/__replay/requests`, { method: 'DELETE' });
  }

  /** What the provider was asked, once for each call, each of which has one record with this ending. */
  async settle({ calls = 1, ending = 'complete' } = {}) {
    const records = await this.takeRecords(calls);
    for (const record of records) assert.equal(record.ending, ending, JSON.stringify(record));
    const asked = await (await fetch(`${this.replay}/__replay/requests`)).json();
    assert.equal(asked.length, calls);
    return { asked, records };
  }
}

export { KEY };
