/**
 * Runs a hub until it is stopped, and prints one line of JSON that says where:
 * `node main.ts --fixture mistral --scale 0.01 --latency 20 --bandwidth 50000000 --port 8080`.
 * The hub is as strict as the real one; `--mode lenient`, or another of modes.ts, several if need be, makes it another.
 */
import { parseArgs } from 'node:util';
import { mistralGguf } from './fixtures/gguf.ts';
import { hostileFacts } from './fixtures/hostile.ts';
import { mistralGptq } from './fixtures/mistral-gptq.ts';
import { bigFile, manyFiles, oddNames } from './fixtures/odd.ts';
import { manyBranches, mistralGptqInFull, quantisedRepositories } from './fixtures/quantised.ts';
import { demoSpace, gpt2, guarded, manyRevisions, squad } from './fixtures/various.ts';
import { startHub } from './hub.ts';
import { MODES, modesOf } from './modes.ts';
import type { RepositoryDescription } from './repositories/repository.ts';

interface Wishes {
  readonly scale: number;
  readonly size: number;
  readonly count: number;
}

const FIXTURES: Readonly<Record<string, (wishes: Wishes) => readonly RepositoryDescription[]>> = {
  mistral: ({ scale }) => [mistralGptq({ scale })],
  big: ({ size }) => [bigFile(size)],
  many: ({ count }) => [manyFiles(count)],
  odd: () => [oddNames()],
  various: () => [squad(), demoSpace(), gpt2(), manyRevisions(), ...guarded()],
  branches: () => [
    mistralGptqInFull(),
    ...quantisedRepositories(),
    mistralGguf(),
    manyBranches(),
    hostileFacts(),
  ],
  all: ({ scale, size, count }) => [
    mistralGptq({ scale }),
    bigFile(size),
    manyFiles(count),
    oddNames(),
    squad(),
    demoSpace(),
    gpt2(),
    manyRevisions(),
    ...guarded(),
  ],
};

const { values } = parseArgs({
  options: {
    fixture: { type: 'string', default: 'mistral' },
    scale: { type: 'string', default: '0.001' },
    size: { type: 'string', default: '536870912' },
    count: { type: 'string', default: '1200' },
    latency: { type: 'string', default: '0' },
    bandwidth: { type: 'string' },
    port: { type: 'string', default: '0' },
    token: { type: 'string' },
    mode: { type: 'string', multiple: true, default: [] },
  },
});

const fixture = FIXTURES[values.fixture];
if (fixture === undefined) {
  console.error(`no fixture ${values.fixture}; there are ${Object.keys(FIXTURES).join(', ')}`);
  process.exit(2);
}

const wrong = values.mode.find((name) => MODES[name] === undefined);
if (wrong !== undefined) {
  console.error(`no mode ${wrong}; there are ${Object.keys(MODES).join(', ')}`);
  process.exit(2);
}

const hub = await startHub({
  ...modesOf(values.mode),
  repositories: fixture({
    scale: Number(values.scale),
    size: Number(values.size),
    count: Number(values.count),
  }),
  latencyMs: Number(values.latency),
  port: Number(values.port),
  tokens: values.token === undefined ? [] : [{ token: values.token, user: 'local', access: 'all' }],
  ...(values.bandwidth === undefined ? {} : { bytesPerSecond: Number(values.bandwidth) }),
});
console.log(JSON.stringify({ origin: hub.endpoint, cdnOrigin: hub.cdnOrigin, pid: process.pid }));

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    void hub.close();
  });
}
