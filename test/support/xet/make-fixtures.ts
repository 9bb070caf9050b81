/** Makes `fixtures/` anew with the official client: `npm run xet:fixtures`. Needs .venv (test/support/python-environment.sh). */
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ContentStore } from './content-store.ts';
import { FIXTURE_CONTENTS, type FixtureName, type OfficialFile, type OfficialFixtures } from './fixtures.ts';
import { uploadFiles } from './hf-xet.ts';
import type { Term } from './shard.ts';

const target = new URL('test/support/xet/fixtures/', pathToFileURL(`${process.cwd()}/`));
const directory = mkdtempSync(join(tmpdir(), 'xet-fixtures-'));
await using store = await ContentStore.start();

const names = Object.keys(FIXTURE_CONTENTS) as FixtureName[];
for (const name of names) writeFileSync(join(directory, name), FIXTURE_CONTENTS[name]);
const uploaded = await uploadFiles(
  { python: '.venv/bin/python', home: directory },
  { url: store.casOrigin, token: store.writeToken() },
  names.map((name) => join(directory, name)),
);

const files = {} as Record<FixtureName, OfficialFile>;
for (const [index, { size, xetHash }] of uploaded.entries()) {
  const name = names[index]!;
  const sha256 = createHash('sha256').update(FIXTURE_CONTENTS[name]).digest('hex');
  const terms = store.files.get(xetHash)?.terms ?? [];
  files[name] = { size, sha256, xetHash, terms, chunks: terms.flatMap(chunksOf) };
}
const fixtures: OfficialFixtures = {
  madeBy: 'hf-xet 1.8.0',
  files,
  xorbs: Object.fromEntries(store.chunkHashes),
};
mkdirSync(target, { recursive: true });
for (const old of readdirSync(target)) rmSync(new URL(old, target));
for (const { hash, data } of store.xorbs.values())
  writeFileSync(new URL(`${hash.slice(0, 16)}.xorb`, target), data);
writeFileSync(new URL('official.json', target), `${JSON.stringify(fixtures, undefined, 1)}\n`);
rmSync(directory, { recursive: true, force: true });

function chunksOf({ xorb, start, end }: Term): OfficialFile['chunks'] {
  const hashes = store.chunkHashes.get(xorb) ?? [];
  const chunks = store.xorbs.get(xorb)?.chunks ?? [];
  return hashes
    .slice(start, end)
    .map((hash, index) => ({ hash, length: chunks[start + index]?.length ?? 0 }));
}
