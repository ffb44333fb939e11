// A gateway that runs for tests: its process and those beside it, its records, and that there is one for each call.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ROOT } from './sdk.mjs';

const RELEASE = path.join(process.env.CARGO_TARGET_DIR ?? path.join(ROOT, 'target'), 'release');
export const PLUGINS = process.env.PENSTOCK_PLUGINS ?? path.join(ROOT, 'target/plugins');
export const KEY = 'sk-tests-0123456789';
// Far longer than anything here takes; a test that waits for it has failed.
export const PATIENCE_MS = 20_000;

export class Running {
  constructor() {
    this.processes = [];
    this.settled = 0;
  }

  /** Makes the folder for configuration, logs and records; what starts before the gateway starts after this. */
  open() {
    this.folder = fs.mkdtempSync(path.join(os.tmpdir(), 'penstock-node-'));
    this.log = path.join(this.folder, 'records.jsonl');
    this.key = path.join(this.folder, 'key');
    fs.writeFileSync(this.key, KEY);
  }

  /** `configuration` is an object: JSON is YAML. */
  async runGateway(configuration) {
    const config = path.join(this.folder, 'penstock.yaml');
    fs.writeFileSync(config, JSON.stringify(configuration));
    this.spawn(path.join(RELEASE, 'penstock'), ['run', '--config', config]);
    await this.waitFor(`http://${configuration.admin.address}/readyz`);
  }

  spawnBuilt(program, options) {
    this.spawn(path.join(RELEASE, program), options);
  }

  spawn(program, options, more = {}) {
    const log = fs.openSync(path.join(this.folder, `${path.basename(program)}.log`), 'w');
    this.processes.push(spawn(program, options, { stdio: ['ignore', log, log], ...more }));
  }

  async waitFor(url) {
    await waitUntil(async () => {
      for (const one of this.processes) assert.equal(one.exitCode, null, `${one.spawnfile} ended\n${this.logs()}`);
      return fetch(url).then((answer) => answer.ok, () => false);
    }, () => `${url} does not answer\n${this.logs()}`);
  }

  logs() {
    const names = fs.readdirSync(this.folder).filter((name) => name.endsWith('.log'));
    return names.map((name) => `--- ${name}\n${fs.readFileSync(path.join(this.folder, name), 'utf8')}`).join('\n');
  }

  async close() {
    for (const one of this.processes) {
      const ended = new Promise((resolve) => one.once('exit', resolve));
      if (one.exitCode === null && one.kill('SIGTERM')) await ended;
    }
    assert.equal(this.records().length, this.settled, 'a call has more than one record, or was not settled');
    fs.rmSync(this.folder, { recursive: true });
  }

  /** The records since the last time: exactly one for each call. */
  async takeRecords(calls) {
    const since = () => this.records().slice(this.settled);
    await waitUntil(() => since().length >= calls, () => `${calls} calls, these records: ${JSON.stringify(since())}`);
    const records = since();
    this.settled += records.length;
    assert.equal(records.length, calls, `${calls} calls: ${JSON.stringify(records)}`);
    assert.equal(new Set(records.map((record) => record.id)).size, calls);
    return records;
  }

  records() {
    if (!this.log || !fs.existsSync(this.log)) return [];
    // A line that is still being written is none yet.
    return fs.readFileSync(this.log, 'utf8').split('\n').slice(0, -1).map((line) => JSON.parse(line));
  }
}

export async function waitUntil(fact, otherwise) {
  const deadline = Date.now() + PATIENCE_MS;
  while (!(await fact())) {
    assert.ok(Date.now() < deadline, otherwise());
    await sleep(10);
  }
}

export function freePort() {
  return new Promise((resolve, reject) => {
    const server = net.createServer().once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}
