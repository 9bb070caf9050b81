// A whole run of a directory store in a process of its own. Plain JavaScript: it runs without a compiler.
import { createHash } from 'node:crypto';
import { writeSync } from 'node:fs';

const [storeModule, directory, sizes] = process.argv.slice(2);
const { DirectoryStore } = await import(storeModule);
const revision = {
  repo: { type: 'model', id: 'owner/name' },
  name: 'main',
  commit: 'a'.repeat(40),
  gated: false,
};
const store = new DirectoryStore({
  directory,
  revision,
  endpoint: 'https://hub.example',
  platform: 'posix',
  ignoresCase: false,
  lock: {
    owner: { pid: process.pid, host: 'here', startedAt: '' },
    processStart: () => undefined,
    clock: { now: Date.now, monotonic: Date.now, after: () => () => {}, sleep: async () => {} },
    random: Math.random,
  },
});
await store.open();
const files = [];
for (const size of sizes.split(',').map(Number)) {
  const content = Buffer.alloc(size, 'x');
  const sha256 = createHash('sha256').update(content).digest('hex');
  const file = { path: `sub/${size}`, size, digest: { algorithm: 'sha256', hex: sha256 } };
  try {
    const staged = await store.stage(file);
    writeSync(staged.descriptor, content, 0, size, 0);
    staged.wrote({ start: 0, end: size });
    await staged.commit({ sha256, gitSha1: undefined });
    files.push(file);
  } catch (error) {
    console.log(`${file.path}: ${error.code}`);
  }
}
await store.publish({ revision, files, listing: { files, complete: true }, complete: true });
await store[Symbol.asyncDispose]();
