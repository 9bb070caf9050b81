import { existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { DirectoryRecords } from '../../../../src/store/directory/directory-records.ts';
import { directoryStore } from '../../../support/directory-store.ts';
import { bytes, COMMIT_B, finishRun, lfsFile, revision } from '../../../support/store-kit.ts';
import { temporaryDirectory } from '../../../support/temporary-directory.ts';

const endpoint = 'https://hub.example';

function marked(): { readonly directory: string; readonly records: DirectoryRecords } {
  const directory = temporaryDirectory();
  mkdirSync(join(directory, '.cache/fetch/parts'), { recursive: true });
  return { directory, records: new DirectoryRecords(directory) };
}

describe('the mark of an owner', () => {
  test('says whose the directory is while a run is under way', async () => {
    const { records } = marked();
    await using _mark = await records.claim(revision(), { endpoint, node: '0'.repeat(16), files: [] });
    const { repo, name, id } = revision();
    expect(records.owner()).toEqual({ endpoint, repo, revision: name, commit: id });
  });

  test('goes when nothing came', async () => {
    const { records } = marked();
    await (await records.claim(revision(), { endpoint, node: '0'.repeat(16), files: [] }))[
      Symbol.asyncDispose
    ]();
    expect(records.owner()).toBeUndefined();
  });

  test.each<[string, (directory: string, keep: () => void) => void]>([
    ['a file came', (_, keep) => keep()],
    ['a part is there', (directory) => writeFileSync(join(directory, '.cache/fetch/parts/x.part'), 'x')],
  ])('stays when %s', async (_, happens) => {
    const { directory, records } = marked();
    const mark = await records.claim(revision(), { endpoint, node: '0'.repeat(16), files: [] });
    happens(directory, () => mark.keep());
    await mark[Symbol.asyncDispose]();
    expect(records.owner()?.commit).toBe(revision().id);
  });

  test('goes when the manifest says the same', async () => {
    const { directory, records } = marked();
    const mark = await records.claim(revision(), { endpoint, node: '0'.repeat(16), files: [] });
    mark.keep();
    await finishRun(directoryStore({ directory }), [[lfsFile('a', bytes(3)), bytes(3)]]);
    await mark[Symbol.asyncDispose]();
    expect(existsSync(join(directory, '.cache/fetch/repository.json'))).toBe(false);
    expect(records.owner()?.files?.map(({ path }) => path)).toEqual(['a']);
  });

  test('that cannot be read is none', () => {
    const { directory, records } = marked();
    for (const text of ['', '[]', 'null', '{"endpoint":1}', '{"repo":{}}']) {
      writeFileSync(join(directory, '.cache/fetch/repository.json'), text);
      expect(records.owner()).toBeUndefined();
    }
  });
});

describe('stale files', () => {
  const [kept, gone] = [lfsFile('kept', bytes(3)), lfsFile('deep/er/gone', bytes(4))];
  const filled = async () => {
    const directory = temporaryDirectory();
    await finishRun(directoryStore({ directory }), [
      [kept, bytes(3)],
      [gone, bytes(4)],
    ]);
    return { directory, records: new DirectoryRecords(directory) };
  };

  test('are remembered over the runs after the revision lost them', async () => {
    const { directory, records } = await filled();
    const { repo } = revision();
    expect(records.staleFiles(repo, [kept]).map(({ path }) => path)).toEqual(['deep/er/gone']);
    await finishRun(
      directoryStore({ directory, revision: revision(COMMIT_B) }),
      [[kept, bytes(3)]],
      revision(COMMIT_B),
    );
    expect(records.current()?.files.map(({ path }) => path)).toEqual(['kept']);
    expect(records.staleFiles(repo, [kept]).map(({ path }) => path)).toEqual(['deep/er/gone']);
  });

  test('of another repository, or behind a link, are not ours', async () => {
    const { directory, records } = await filled();
    const { repo } = revision();
    expect(records.staleFiles({ ...repo, id: 'owner/other' }, [kept])).toEqual([]);
    expect(records.staleFiles({ ...repo, source: 'ollama' }, [kept])).toEqual([]);
    const elsewhere = temporaryDirectory();
    writeFileSync(join(elsewhere, 'gone'), bytes(4));
    await records.removeFile('deep/er/gone');
    mkdirSync(join(directory, 'deep'));
    symlinkSync(elsewhere, join(directory, 'deep/er'));
    expect(records.staleFiles(repo, [kept])).toEqual([]);
  });

  test('are removed with their record and the directories that only they needed', async () => {
    const { directory, records } = await filled();
    await records.removeFile('deep/er/gone');
    expect(existsSync(join(directory, 'deep'))).toBe(false);
    expect(existsSync(join(directory, '.cache/huggingface/download/deep/er/gone.metadata'))).toBe(false);
    expect(existsSync(join(directory, 'kept'))).toBe(true);
    await records.removeFile('kept');
    expect(existsSync(directory)).toBe(true);
  });
});
