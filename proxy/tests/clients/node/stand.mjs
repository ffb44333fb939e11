// The real gateway in front of the real mock provider, and what is asserted of every call that goes through them.
// A test calls with `stand.client()`, which keeps the bytes that the SDK sent, and then `stand.settle()`, which compares
// them with the bytes that the provider got and finds exactly one record for each call.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { KEY, PATIENCE_MS, PLUGINS, Running, freePort, waitUntil } from './running.mjs';
import { OpenAI } from './sdk.mjs';

// A model with its provider's name, one with a name of its own, and one with the mock's controls in its name.
export const [SAME, RENAMED, CONTROLLED] = ['gpt-4o-mini', 'house-model', 'mock/gpt-4o-mini'];
const UPSTREAM_NAME = { [RENAMED]: 'gpt-4o-mini' };
const GREETING = 'You are served by Penstock for tests.';
export const CHAIN = ['secrets', 'greeting', 'balance'];

export const user = (content) => [{ role: 'user', content }];

export function controlled(controls) {
  return CONTROLLED + Object.entries(controls).map(([name, value]) => `+${name}=${value}`).join('');
}

function configuration({ address, admin, provider, record, key, chain }) {
  const plugins = [
    {
      name: 'secrets', component: 'guard-secrets', fail: 'closed',
      settings: { scan: ['requests', 'answers'], action: 'redact', replacement: '[gone]', rules: 'all' },
    },
    {
      name: 'greeting', component: 'prompt-decorator', capabilities: ['clock'],
      settings: { prepend: [{ role: 'system', text: 'You are served by Penstock for {{caller}}.' }] },
    },
    { name: 'balance', component: 'route-balance', settings: { strategy: 'weighted' } },
  ];
  const same = ['gpt-3.5-turbo-instruct', 'text-embedding-3-small', 'omni-moderation-latest', SAME];
  const model = (name, upstream) => ({ name, targets: [{ provider: 'mock', model: upstream }] });
  return {
    listeners: [{ address }],
    admin: { address: admin },
    record,
    plugin_dir: PLUGINS,
    plugins: chain ? plugins : [],
    providers: { mock: { base_url: `${provider}/v1`, auth: 'none' } },
    models: [...same.map((name) => model(name, name)), model(RENAMED, UPSTREAM_NAME[RENAMED]), model('mock/*', '*')],
    keys: [{ name: 'tests', key: `file:${key}`, models: ['*'] }],
  };
}

/** Runs the tests that `declare` declares against a gateway without plugins and against one with the chain. */
export function withStands(declare, kinds = ['plain', 'chain']) {
  for (const kind of kinds) {
    describe(kind, () => {
      const stand = new Stand(kind === 'chain');
      before(() => stand.start());
      beforeEach(() => stand.forget());
      after(() => stand.close());
      declare(stand);
    });
  }
}

export class Stand extends Running {
  constructor(chain) {
    super();
    this.chain = chain;
    this.sent = [];
  }

  async start() {
    this.open();
    const at = async () => `127.0.0.1:${await freePort()}`;
    const [provider, address, admin] = [await at(), await at(), await at()];
    this.provider = `http://${provider}`;
    this.baseURL = `http://${address}/v1`;
    this.spawnBuilt('mock-provider', ['--listen', provider]);
    await this.waitFor(`${this.provider}/__mock/health`);
    await this.runGateway(configuration({
      address, admin, provider: this.provider, record: this.log, key: this.key, chain: this.chain,
    }));
  }

  /** Drops what a failed test has not settled, so that the next one does not fail with it. */
  async forget() {
    if (this.sent.length === 0) return;
    await sleep(500);
    this.sent = [];
    this.settled = this.records().length;
    await this.takeUpstream();
  }

  /** A client that keeps what it sends. */
  client(options = {}) {
    const keep = async (url, init) => {
      const one = { path: new URL(url).pathname, body: init.body ?? '' };
      this.sent.push(one);
      const answer = await fetch(url, init);
      one.headers = answer.headers;
      return answer;
    };
    return new OpenAI({
      apiKey: KEY, baseURL: this.baseURL, maxRetries: 0, timeout: PATIENCE_MS, fetch: keep, ...options,
    });
  }

  /**
   * Checks every call since the last time: its bytes at the provider, and one record with this ending. `status` null
   * takes any; `each` is the [status, ending] of every call where they differ; `resent` ones may have been written to
   * a second connection when a pooled one turned out to be closed; `edits` is what a guard replaces.
   */
  async settle({ status = 200, ending = 'complete', key = 'tests', forwarded = true, each, resent, edits } = {}) {
    const sent = this.sent.splice(0);
    assert.ok(sent.length > 0, 'the SDK sent nothing');
    const records = await this.takeRecords(sent.length);
    const upstream = await this.takeUpstream();
    const wanted = each ?? sent.map(() => [status, ending]);
    const got = records.map((record) => [status === null ? null : record.status, record.ending]);
    assert.deepEqual(got.sort(), wanted.sort(), JSON.stringify(records));
    for (const record of records) assert.equal(record.key, key);
    for (const { headers } of sent.filter((one) => one.headers)) {
      const record = records.find((one) => one.id === headers.get('x-request-id'));
      assert.equal(headers.get('x-penstock-generation'), String(record.generation));
    }
    const expected = forwarded ? sent.map((one) => this.expected(one, edits ?? {})) : [];
    const bodies = upstream.map((one) => one.body);
    assert.deepEqual((resent ? [...new Set(bodies)] : bodies).sort(), expected.sort());
    if (this.chain && forwarded && sent[0].path.endsWith('/chat/completions')) {
      for (const { plugins } of records) {
        assert.deepEqual([...new Set(plugins.map((one) => one.name))].sort(), [...CHAIN].sort());
      }
    }
    return { sent, upstream, records, record: records[0] };
  }

  async upstream() {
    const shown = await (await fetch(`${this.provider}/__mock/requests`)).json();
    return Array.isArray(shown) ? shown : shown.requests;
  }

  async takeUpstream() {
    const taken = await this.upstream();
    await fetch(`${this.provider}/__mock/requests`, { method: 'DELETE' });
    return taken;
  }

  /** Waits for the provider to see how its answer ended, e.g. `disconnected`. */
  async waitUpstream(ending) {
    let seen;
    await waitUntil(async () => {
      seen = (await this.upstream()).map((one) => one.ending);
      return seen.length > 0 && seen.every((word) => word === ending);
    }, () => `the provider saw ${seen}, not ${ending}`);
  }

  /** The SDK's bytes, but for the model's name, the usage option and, in the chain, the message of the decorator. */
  expected({ path: route, body }, edits) {
    let text = body.replace(/"model":"([^"]*)"/, (_, name) => {
      return `"model":"${UPSTREAM_NAME[name] ?? name.replace(/^mock\//, '')}"`;
    });
    if (!text.includes('"include_usage":true')) {
      text = text.replace('"stream":true', '"stream":true,"stream_options":{"include_usage":true}');
    }
    for (const [old, replacement] of Object.entries(edits)) text = text.replaceAll(old, replacement);
    if (this.chain && route.endsWith('/chat/completions')) {
      const message = JSON.stringify({ role: 'system', content: GREETING });
      text = text.replace('"messages":[', () => `"messages":[${message},`);
    } else if (this.chain && route.endsWith('/completions')) {
      // A completion's prompt has no roles: the decorator puts its text before it.
      text = text.replace('"prompt":"', `"prompt":"${GREETING}\\n\\n`);
    }
    return text;
  }
}
