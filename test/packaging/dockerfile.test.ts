import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readDockerfile } from '../support/dockerfile.mjs';
import { lint } from '../support/linter.ts';

// Its steps are run by test/packaging/smoke/dockerfile.mjs: `npm run smoke:image`.
const root = join(import.meta.dirname, '../..');
const file = join(root, 'Dockerfile');
const steps = readDockerfile(readFileSync(file, 'utf8'));
const last = steps.at(-1)!.stage;
const ofLast = steps.filter(({ stage }) => stage === last);
const rest = (word: string, among = steps) => among.filter((one) => one.word === word).map((one) => one.rest);

test('hadolint has nothing to say against it', (context) => {
  const said = lint('hadolint', [file]);
  if (said === undefined) return context.skip('hadolint is not installed');
  expect(said).toBe('');
});

test('a pinned Node 22 on Alpine, built in one stage and run in another', () => {
  expect(last).toBe(1);
  for (const image of rest('FROM')) expect(image).toMatch(/^node:22\.\d+\.\d+-alpine3\.\d+( AS \w+)?$/);
});

test('what runs is not root, by number, and can write where it works', () => {
  expect(rest('USER', ofLast)).toEqual(['1000:1000']);
  // Nothing after USER needs more than that.
  const after = ofLast.slice(ofLast.findIndex(({ word }) => word === 'USER'));
  expect(after.map(({ word }) => word)).toEqual(['USER', 'WORKDIR', 'ENTRYPOINT', 'CMD']);
  expect(rest('WORKDIR', ofLast)).toEqual(['/models']);
  expect(rest('RUN', ofLast).join()).toContain('chown 1000:1000 /models');
  // Without a shell between, so that a signal comes through.
  expect(rest('ENTRYPOINT', ofLast)).toEqual(['["fetch"]']);
});

test('only production dependencies, as they are locked, and no script of a package', () => {
  expect(rest('COPY', ofLast)).toEqual(['--from=build /opt/fetch /opt/fetch']);
  const commands = rest('RUN').flatMap((text) => text.split('&&').map((one) => one.trim()));
  const installs = commands.filter((one) => /^npm (ci|i|install)\b/.test(one));
  expect(installs.length).toBe(2);
  for (const one of installs) expect(one).toMatch(/^npm ci .*--ignore-scripts/);
  expect(installs.at(-1)).toContain('--omit=dev');
  expect(readFileSync(file, 'utf8')).not.toMatch(/TOKEN|curl|wget|ADD |latest/);
});

test('.dockerignore lets through what is copied, and nothing else', () => {
  const allowed = readFileSync(join(root, '.dockerignore'), 'utf8').trim().split('\n');
  const copied = rest('COPY')
    .filter((text) => !text.startsWith('--from'))
    .flatMap((text) => text.split(' ').slice(0, -1));
  expect(allowed[0]).toBe('*');
  expect(allowed.slice(1).sort()).toEqual(copied.map((name) => `!${name.replace('./', '')}`).sort());
});
