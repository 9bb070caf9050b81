import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { bytes, generated, joined } from '../support/hub/content/content.ts';
import { ggufHeader } from '../support/hub/fixtures/gguf.ts';
import { expectedStore, filesIn, journaledBytes, storeDifferences } from '../support/ollama-models.ts';
import { ollamaModel, type PushedModel } from '../support/registry/model.ts';
import { Registry } from '../support/registry/registry.ts';
import { Workspace } from '../support/run-program.ts';

// The real program, built by test/support/ollama.sh.
const OLLAMA = fileURLToPath(new URL('../../.tools/bin/ollama', import.meta.url));
const run = promisify(execFile);

const NAME = 'library/mixtral';
const SIZE = 12_000_000;
let model: PushedModel;
let registry: Registry;
let workspace: Workspace;
let host: string;
let server: ChildProcess | undefined;

const models = () => join(workspace.home, '.ollama/models');
const environment = () => ({ PATH: process.env['PATH'], HOME: workspace.home, OLLAMA_HOST: host });

async function freePort(): Promise<number> {
  return await new Promise((resolve) => {
    const probe = createServer().listen(0, '127.0.0.1', () => {
      const { port } = probe.address() as { port: number };
      probe.close(() => resolve(port));
    });
  });
}

/** Starts `ollama serve` on the store, which removes at once what no manifest names. */
async function serve(): Promise<void> {
  server = spawn(OLLAMA, ['serve'], { env: environment(), stdio: 'ignore' });
  for (;;) {
    const isUp = await fetch(`http://${host}/`).then(
      ({ ok }) => ok,
      () => false,
    );
    if (isUp) return;
    if (server.exitCode !== null) throw new Error(`ollama serve ended with ${server.exitCode}`);
    await sleep(50);
  }
}

async function stop(): Promise<void> {
  if (server === undefined || server.exitCode !== null) return;
  const ended = new Promise((resolve) => server?.once('close', resolve));
  server.kill('SIGKILL');
  await ended;
  server = undefined;
}

const ollama = async (...words: string[]) => (await run(OLLAMA, words, { env: environment() })).stdout;

describe.skipIf(!existsSync(OLLAMA))('the real ollama', () => {
  beforeEach(async () => {
    const header = ggufHeader({ 'general.architecture': 'llama', 'general.file_type': 2 }, []);
    const size = SIZE - header.length;
    model = await ollamaModel(joined([bytes(header), generated('weights', size)]));
    registry = await Registry.start({ like: 'ollama', models: { [NAME]: { '8x7b': model } } });
    workspace = await Workspace.open();
    host = `127.0.0.1:${await freePort()}`;
  });

  afterEach(async () => {
    await stop();
    await registry[Symbol.asyncDispose]();
    await workspace[Symbol.asyncDispose]();
  });

  // Ollama wants a redirect to another host: the storage is on 127.0.0.1.
  const registryHost = () => registry.host.replace('127.0.0.1', 'localhost');
  const stored = () => `${registryHost()}/${NAME}:8x7b`;

  test('lists and shows a model that we brought, under its id', async () => {
    const pulled = await workspace.run([`ollama://${stored()}`, '--ollama']);
    expect(pulled).toMatchObject({ exit: 0, stdout: `${stored()}\n` });
    await serve();
    const expected = await expectedStore({ [`${registryHost()}/${NAME}/8x7b`]: model });
    // It has pruned at its start, and nothing of this was too much.
    expect(storeDifferences(models(), expected)).toEqual([]);
    const [, row = ''] = (await ollama('list')).trim().split('\n');
    console.log(`ollama list: ${row}`);
    expect(row.split(/\s+/).slice(0, 4)).toEqual([stored(), model.digest.slice(7, 19), '12', 'MB']);
    expect(await ollama('show', stored(), '--template')).toContain('[INST]');
    const again = await workspace.run([`ollama://${stored()}`, '--ollama']);
    expect(again.exit).toBe(0);
    expect(await ollama('rm', stored())).toContain('deleted');
    expect(readdirSync(join(models(), 'blobs'))).toEqual([]);
  });

  test('its own pull makes the same store, byte for byte', async () => {
    await serve();
    await ollama('pull', '--insecure', stored());
    await stop();
    const theirs = filesIn(models()).filter((path) => /^(blobs|manifests)\//.test(path));
    const content = new Map(theirs.map((path) => [path, readFileSync(join(models(), path))]));
    const ours = workspace.path('ours');
    const env = { OLLAMA_MODELS: ours };
    expect((await workspace.run([`ollama://${stored()}`, '--ollama'], { env })).exit).toBe(0);
    expect(storeDifferences(ours, content)).toEqual([]);
    // Theirs is as good as ours.
    registry.blobBytes = 0;
    expect((await workspace.run([`ollama://${stored()}`, '--ollama'])).exit).toBe(0);
    expect(registry.blobBytes).toBe(0);
  });

  test('its start takes nothing of a run that was killed', async () => {
    registry.fault({
      on: 'storage',
      url: [...model.blobs.keys()][0]!.slice(7),
      effect: { kind: 'slow', rate: 2_000_000 },
    });
    const program = workspace.start([`ollama://${stored()}`, '--ollama']);
    await program.until('a megabyte is on the disk', () => journaledBytes(models()) > 1_000_000);
    program.kill('SIGKILL');
    await program.ended;
    mkdirSync(join(models(), 'blobs'), { recursive: true });
    writeFileSync(join(models(), `blobs/sha256-${'0'.repeat(64)}`), 'of no model');
    const before = filesIn(join(models(), '.fetch'));
    await serve();
    await stop();
    // It did prune.
    expect(readdirSync(join(models(), 'blobs'))).toEqual([]);
    expect(filesIn(join(models(), '.fetch'))).toEqual(before);
    registry.faults.clear();
    registry.blobBytes = 0;
    expect((await workspace.run([`ollama://${stored()}`, '--ollama'])).exit).toBe(0);
    expect(registry.blobBytes).toBeLessThan(SIZE - 900_000);
    const expected = await expectedStore({ [`${registryHost()}/${NAME}/8x7b`]: model });
    expect(storeDifferences(models(), expected)).toEqual([]);
  });
});
