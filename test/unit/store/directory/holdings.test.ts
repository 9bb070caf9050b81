import {
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import type { Holding } from '../../../../src/model/plan.ts';
import type { RemoteFile } from '../../../../src/model/remote-file.ts';
import { hubMetadataPath } from '../../../../src/store/directory/hub-metadata.ts';
import type { ProcessContext } from '../../../../src/system/process-identity.ts';
import { directoryStore } from '../../../support/directory-store.ts';
import {
  bring,
  bytes,
  COMMIT_A,
  COMMIT_B,
  digestsOf,
  finishRun,
  gitFile,
  holdingOf,
  lfsFile,
  lockContext,
  MIB,
  publication,
  revision,
  unhashedFile,
  write,
} from '../../../support/store-kit.ts';
import { temporaryDirectory } from '../../../support/temporary-directory.ts';

let directory: string;
beforeEach(() => {
  directory = temporaryDirectory();
});

const content = Buffer.from('the content of this file');
const model = lfsFile('sub/model.bin', content);
const config = gitFile('config.json', content);
const plain = unhashedFile('plain.txt', content);
const all = [model, config, plain];

async function holding(file: RemoteFile, commit: string = COMMIT_A): Promise<Holding | undefined> {
  return await holdingOf(directoryStore({ directory, revision: revision(commit) }), file);
}

/** A finished run that brought these. */
async function finishedRun(files: readonly RemoteFile[] = all): Promise<void> {
  const brought = files.map((file) => [file, content] as const);
  await finishRun(directoryStore({ directory }), brought);
}

function pathOf(file: RemoteFile): string {
  return join(directory, file.path);
}

function place(file: RemoteFile, text: string | Buffer = content): void {
  mkdirSync(dirname(pathOf(file)), { recursive: true });
  writeFileSync(pathOf(file), text);
}

/** The record as huggingface_hub writes it. */
function hubRecord(file: RemoteFile, etag: string, seconds: number | string, end = '\n'): void {
  const path = hubMetadataPath(directory, file.path);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, [COMMIT_B, etag, seconds, ''].join(end));
}

function touch(file: RemoteFile, secondsFromNow: number): void {
  const seconds = Date.now() / 1000 + secondsFromNow;
  utimesSync(pathOf(file), seconds, seconds);
}

describe('after a finished run', () => {
  beforeEach(() => finishedRun());

  test.each(all)('$path is whole', async (file) => {
    expect(await holding(file)).toEqual({ kind: 'whole' });
  });

  test('what has a hash is whole for another commit too', async () => {
    expect(await holding(model, COMMIT_B)).toEqual({ kind: 'whole' });
    expect(await holding(config, COMMIT_B)).toEqual({ kind: 'whole' });
    expect(await holding(plain, COMMIT_B)).toMatchObject({ kind: 'different' });
  });

  test('a file that was edited or touched later must be read', async () => {
    for (const file of [model, config]) {
      writeFileSync(
        pathOf(file),
        content.map((byte) => byte ^ 1),
      );
      touch(file, 5);
      expect(await holding(file)).toEqual({ kind: 'candidate', part: [] });
      writeFileSync(pathOf(file), content);
      touch(file, 5);
      expect(await holding(file)).toEqual({ kind: 'candidate', part: [] });
    }
  });

  test('a file without a hash that was touched later cannot be told from another', async () => {
    touch(plain, 5);
    expect(await holding(plain)).toEqual({ kind: 'different', part: [] });
  });

  test('a file of another size is different, one that is gone is nothing', async () => {
    for (const file of all) {
      truncateSync(pathOf(file), 3);
      expect(await holding(file)).toEqual({ kind: 'different', part: [] });
      unlinkSync(pathOf(file));
      expect(await holding(file)).toEqual({ kind: 'nothing' });
    }
  });

  test('another content of the same size is different without reading', async () => {
    const other = Buffer.from(content).reverse();
    expect(await holding(lfsFile(model.path, other))).toEqual({ kind: 'different', part: [] });
    expect(await holding(gitFile(config.path, other))).toEqual({ kind: 'different', part: [] });
    // The Hub keeps it in another way now: both hashes are on record.
    expect(await holding(gitFile(model.path, content))).toEqual({ kind: 'whole' });
    expect(await holding(lfsFile(config.path, content))).toEqual({ kind: 'whole' });
  });

  test('what replaces a file with an old time, as mv, cp -p, tar and rsync bring them, must be read', async () => {
    const old = new Date('2020-01-01');
    for (const file of [model, config]) {
      const other = `${pathOf(file)}.other`;
      writeFileSync(other, Buffer.from(content).reverse());
      utimesSync(other, old, old);
      renameSync(other, pathOf(file));
      expect(await holding(file)).toEqual({ kind: 'candidate', part: [] });
    }
    expect(await holding(plain)).toEqual({ kind: 'whole' });
  });

  test('an edit whose time was set back must be read', async () => {
    const { atime, mtime } = statSync(pathOf(model));
    writeFileSync(pathOf(model), Buffer.from(content).reverse());
    utimesSync(pathOf(model), atime, mtime);
    expect(await holding(model)).toEqual({ kind: 'candidate', part: [] });
  });

  test('a sha256 that only a lock names must fit as well', async () => {
    const sha256 = digestsOf(content).sha256;
    expect(await holding({ ...config, sha256 })).toEqual({ kind: 'whole' });
    expect(await holding({ ...config, sha256: 'f'.repeat(64) })).toEqual({ kind: 'different', part: [] });
  });

  test.each([
    ['torn', (text: string) => text.slice(0, 100), 'candidate'],
    ['of zeros', () => '\0'.repeat(300), 'candidate'],
    ['no list', () => '{}\nnull\n7\n', 'candidate'],
    ['with hashes that are none', (text: string) => text.replaceAll(/"[0-9a-f]{64}"/g, '"x"'), 'candidate'],
    ['torn behind what counts', (text: string) => `${text}["a","b`, 'whole'],
  ])('a record of hashes that is %s is read as far as it can be', async (_, change, kind) => {
    const path = join(directory, '.cache/fetch/hashed.jsonl');
    writeFileSync(path, change(readFileSync(path, 'utf8')));
    expect(await holding(model)).toMatchObject({ kind });
    // And goes on in a line of its own.
    const other = lfsFile('other.bin', bytes(2 * MIB));
    await finishRun(directoryStore({ directory }), [[other, bytes(2 * MIB)]]);
    expect(await holding(other)).toEqual({ kind: 'whole' });
    expect(await holding(model)).toMatchObject({ kind });
  });

  test('what changes again and again does not make the record grow without end', async () => {
    const path = join(directory, '.cache/fetch/hashed.jsonl');
    const [line] = readFileSync(path, 'utf8').split('\n');
    writeFileSync(path, `${line?.replace('1', '2')}\n`.repeat(2500) + readFileSync(path, 'utf8'));
    await finishRun(directoryStore({ directory }), [[model, content]]);
    expect(readFileSync(path, 'utf8').split('\n').length).toBeLessThan(10);
    expect(await holding(model)).toEqual({ kind: 'whole' });
    expect(await holding(config)).toEqual({ kind: 'whole' });
  });

  test('without records every hash must be made again', async () => {
    rmSync(join(directory, '.cache'), { recursive: true });
    expect(await holding(model)).toEqual({ kind: 'candidate', part: [] });
    expect(await holding(config)).toEqual({ kind: 'candidate', part: [] });
    expect(await holding(plain)).toEqual({ kind: 'different', part: [] });
  });

  test('without a manifest only what has a hash is known', async () => {
    unlinkSync(join(directory, '.cache/fetch/manifest.json'));
    expect(await holding(model)).toEqual({ kind: 'whole' });
    expect(await holding(config)).toEqual({ kind: 'whole' });
    expect(await holding(plain)).toEqual({ kind: 'different', part: [] });
  });

  test.each([
    ['torn', (text: string) => text.slice(0, 100)],
    ['of a later version', (text: string) => text.replace('"version": 1', '"version": 2')],
    ['no object', () => '[]'],
    ['null', () => 'null'],
    ['without files', (text: string) => text.replace('"files"', '"file"')],
    ['with a sha256 that is none', (text: string) => text.replace(/"sha256": "../g, '"sha256": "zz')],
    ['with odd sizes', (text: string) => text.replace(/"size": \d+/g, '"size": "1"')],
  ])('a manifest that is %s is none', async (_, change) => {
    const path = join(directory, '.cache/fetch/manifest.json');
    writeFileSync(path, change(readFileSync(path, 'utf8')));
    expect(await holding(plain)).toEqual({ kind: 'different', part: [] });
  });
});

describe('the record of huggingface_hub', () => {
  const now = () => Date.now() / 1000;

  test.each([
    ['\n', 0],
    ['\n', 3600],
    ['\r\n', 1],
  ])(
    '(line ends %j, %i s younger) is a record of another program: the file is read',
    async (end, younger) => {
      place(model);
      hubRecord(model, model.digest!.hex, now() + younger, end);
      expect(await holding(model)).toEqual({ kind: 'candidate', part: [] });
      hubRecord(model, '0'.repeat(64), now() + younger, end);
      expect(await holding(model)).toEqual({ kind: 'candidate', part: [] });
    },
  );

  test('of a small file says nothing about its sha256', async () => {
    place(config);
    hubRecord(config, config.digest!.hex, now() + 1);
    expect(await holding(config)).toEqual({ kind: 'candidate', part: [] });
  });

  test('does not help a file of another size', async () => {
    place(model, 'short');
    hubRecord(model, model.digest!.hex, now() + 1);
    expect(await holding(model)).toEqual({ kind: 'different', part: [] });
  });

  test.each(['0123456789abcdef0123456789abcdef-10', '', 'x'.repeat(64)])(
    'with the made-up tag %j of a mirror says nothing',
    async (etag) => {
      place(model);
      hubRecord(model, etag, now() + 1);
      expect(await holding(model)).toEqual({ kind: 'candidate', part: [] });
    },
  );

  test.each(['', 'soon', 'NaN', 'Infinity', '0'])('with the time %j is not believed', async (time) => {
    place(model);
    hubRecord(model, model.digest!.hex, time);
    expect(await holding(model)).toEqual({ kind: 'candidate', part: [] });
  });

  test.each([
    '',
    'x',
    `${COMMIT_A}\n${'0'.repeat(64)}`,
    `${COMMIT_A}\n${'0'.repeat(64)}\n`,
    '\0'.repeat(140),
  ])('torn to %j is not believed', async (text) => {
    place(model);
    const path = hubMetadataPath(directory, model.path);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
    expect(await holding(model)).toEqual({ kind: 'candidate', part: [] });
  });
});

describe('what stands in place of a file', () => {
  test('a link to the right file counts as a file', async () => {
    place({ ...model, path: 'elsewhere' });
    mkdirSync(join(directory, 'sub'));
    symlinkSync('../elsewhere', pathOf(model));
    expect(await holding(model)).toEqual({ kind: 'candidate', part: [] });
  });

  test.each(['nowhere', 'model.bin'])('a link to %s counts as nothing', async (target) => {
    mkdirSync(join(directory, 'sub'));
    symlinkSync(target, pathOf(model));
    expect(await holding(model)).toEqual({ kind: 'nothing' });
  });

  test('a directory, and a file on the way, count as nothing', async () => {
    mkdirSync(pathOf(model), { recursive: true });
    expect(await holding(model)).toEqual({ kind: 'nothing' });
    rmSync(join(directory, 'sub'), { recursive: true });
    writeFileSync(join(directory, 'sub'), '');
    expect(await holding(model)).toEqual({ kind: 'nothing' });
  });
});

describe('a part', () => {
  const large = bytes(2 * MIB + 5);
  const file = lfsFile('large.bin', large);
  const firstBlock = [{ start: 0, end: MIB }];

  async function part(): Promise<string> {
    await using store = directoryStore({ directory });
    await store.open();
    await using staged = await store.stage(file);
    await write(staged, large, 0, MIB);
    // Where it is put back: without the owner in its name.
    return staged.partPath.replace(/\.[^.]+\.part$/, '.part');
  }

  test('is there beside whatever bears the name', async () => {
    await part();
    expect(await holding(file)).toEqual({ kind: 'part', part: firstBlock });
    place(file, 'old');
    expect(await holding(file)).toEqual({ kind: 'different', part: firstBlock });
    place(file, large);
    expect(await holding(file)).toEqual({ kind: 'candidate', part: firstBlock });
  });

  test('is nothing without its journal, or the journal without it', async () => {
    const path = await part();
    const journal = path.replace(/part$/, 'blocks');
    renameSync(journal, `${journal}.x`);
    expect(await holding(file)).toEqual({ kind: 'nothing' });
    renameSync(`${journal}.x`, journal);
    unlinkSync(path);
    expect(await holding(file)).toEqual({ kind: 'nothing' });
  });

  test.each(['part', 'blocks'])('a link in place of its .%s is not followed', async (which) => {
    const path = await part();
    const link = path.replace(/part$/, which);
    const target = join(temporaryDirectory(), 'target');
    renameSync(link, target);
    const before = readFileSync(target);
    symlinkSync(target, link);
    expect(await holding(file)).toEqual({ kind: 'nothing' });
    await using store = directoryStore({ directory });
    await store.open();
    await bring(store, file, large);
    expect(readFileSync(target).equals(before)).toBe(true);
    expect(readFileSync(pathOf(file)).equals(large)).toBe(true);
  });

  test('a link in place of a small one is not followed', async () => {
    const path = join(directory, '.cache/fetch/parts');
    const target = join(temporaryDirectory(), 'target');
    await using store = directoryStore({ directory });
    await store.open();
    const staged = await store.stage(model);
    await staged.discard();
    expect(staged.partPath.startsWith(path)).toBe(true);
    writeFileSync(target, 'mine');
    symlinkSync(target, staged.partPath);
    await bring(store, model, content);
    expect(readFileSync(target, 'utf8')).toBe('mine');
  });

  test('longer than the file is cut', async () => {
    const path = await part();
    truncateSync(path, large.length + 100);
    await using store = directoryStore({ directory });
    await store.open();
    await using staged = await store.stage(file);
    expect(staged.received.ranges).toEqual(firstBlock);
    await write(staged, large, MIB);
    await staged.commit(digestsOf(large));
    expect(readFileSync(pathOf(file)).equals(large)).toBe(true);
  });

  test('a directory in its place does no harm', async () => {
    const path = await part();
    unlinkSync(path);
    mkdirSync(path);
    await using store = directoryStore({ directory });
    await store.open();
    await bring(store, file, large);
    expect(readFileSync(pathOf(file)).equals(large)).toBe(true);
  });

  const deadPid = 2 ** 22 + 1;
  const other = (pid: number, host = 'here') => {
    const context = lockContext(process.pid);
    return { ...context, owner: { pid, host, startedAt: `start of ${pid}` } };
  };

  /** A run that ends like a killed one: nothing is put back. */
  async function killedPart(lock: ProcessContext): Promise<string> {
    await using store = directoryStore({ directory, lock });
    await store.open();
    const staged = await store.stage(file);
    await write(staged, large, 0, MIB);
    return staged.partPath;
  }

  test('of a process that was killed is taken over, and then it is ours alone', async () => {
    const path = await killedPart(other(deadPid));
    expect(await holding(file)).toEqual({ kind: 'part', part: firstBlock });
    await using store = directoryStore({ directory });
    await store.open();
    await using staged = await store.stage(file);
    expect(staged.received.ranges).toEqual(firstBlock);
    expect(staged.partPath).not.toBe(path);
    expect(existsSync(path)).toBe(false);
  });

  test.each([
    ['another space of process ids', 'boot/pid:[2]'],
    ['a host of another name', undefined],
  ])(
    'of a run in %s is copied when it is silent: what that one writes from then on goes elsewhere',
    async (_, space) => {
      const own = { ...lockContext(process.pid), owner: { ...lockContext().owner, machine: 'boot/pid:[1]' } };
      const their = other(deadPid, space === undefined ? 'elsewhere' : 'here');
      const lock = { ...their, owner: { ...their.owner, machine: space ?? 'boot/pid:[1]' } };
      const theirs = directoryStore({ directory, lock });
      await theirs.open();
      const spoilt = await theirs.stage(file);
      await write(spoilt, large, 0, MIB);
      rmSync(join(directory, '.cache/fetch/lock'));
      // Living, as far as we know: not ours to touch.
      const held = async () => await holdingOf(directoryStore({ directory, lock: own }), file);
      expect(await held()).toEqual({ kind: 'nothing' });
      const before = Date.now() / 1000 - 61;
      for (const name of [spoilt.partPath, spoilt.partPath.replace(/part$/, 'blocks')])
        utimesSync(name, before, before);
      expect(await held()).toEqual({ kind: 'part', part: firstBlock });

      const second = directoryStore({ directory, lock: own });
      await second.open();
      const staged = await second.stage(file);
      expect(staged.received.ranges).toEqual(firstBlock);
      await write(staged, large, MIB);
      await staged.commit(digestsOf(large));
      await second.publish(publication(revision(), [file], [file]));
      await second[Symbol.asyncDispose]();
      await write(spoilt, Buffer.alloc(large.length, 'wrong'), 0, large.length);
      expect(readFileSync(pathOf(file)).equals(large)).toBe(true);
    },
  );

  test('that is copied is continued by a third run, and the copying ends with a signal', async () => {
    const their = other(deadPid, 'elsewhere');
    const path = await killedPart(their);
    const before = Date.now() / 1000 - 61;
    for (const name of [path, path.replace(/part$/, 'blocks')]) utimesSync(name, before, before);
    const stopped = directoryStore({ directory });
    await stopped.open(AbortSignal.abort(new Error('enough')));
    await expect(stopped.stage(file)).rejects.toThrow('enough');
    await stopped[Symbol.asyncDispose]();
    const second = directoryStore({ directory });
    await second.open();
    const staged = await second.stage(file);
    await write(staged, large, MIB, MIB * 1.5);
    await staged[Symbol.asyncDispose]();
    await second[Symbol.asyncDispose]();
    expect(await holding(file)).toEqual({ kind: 'part', part: [{ start: 0, end: MIB * 1.5 }] });
  });

  test('of a process with our id that is not us is taken over: ids are used again', async () => {
    const lock = lockContext(process.pid);
    await killedPart({ ...lock, owner: { ...lock.owner, startedAt: 'long ago' } });
    expect(await holding(file)).toEqual({ kind: 'part', part: firstBlock });
  });

  test('of another host is taken over after a minute of silence, not before', async () => {
    const path = await killedPart(other(1, 'elsewhere'));
    expect(await holding(file)).toEqual({ kind: 'nothing' });
    const before = Date.now() / 1000 - 61;
    for (const name of [path, path.replace(/part$/, 'blocks')]) utimesSync(name, before, before);
    expect(await holding(file)).toEqual({ kind: 'part', part: firstBlock });
  });

  test('whose taking over was cut short between journal and part is found again', async () => {
    const path = await part();
    const journal = path.replace(/part$/, 'blocks');
    renameSync(journal, path.replace(/part$/, `${deadPid}-00000000-00000000-x.blocks`));
    // Of another host by its name: as silent as it takes.
    const before = Date.now() / 1000 - 61;
    utimesSync(path.replace(/part$/, `${deadPid}-00000000-00000000-x.blocks`), before, before);
    expect(await holding(file)).toEqual({ kind: 'part', part: firstBlock });
  });

  test('of a run that lives is left alone by one that does not see its lock: no byte of the one gets into the file of the other', async () => {
    await using first = directoryStore({ directory });
    await first.open();
    await using spoilt = await first.stage(file);
    await write(spoilt, large, 0, MIB);
    const second = directoryStore({ directory });
    const staged = await second.stage(file);
    expect(staged.received.ranges).toEqual([]);
    await write(staged, large);
    await staged.commit(digestsOf(large));
    await second.publish(publication(revision(), [file], [file]));
    // The first one gets wrong bytes, long after the file has its name.
    await write(spoilt, Buffer.alloc(large.length, 'wrong'), 0, large.length);
    expect(readFileSync(pathOf(file)).equals(large)).toBe(true);
    expect(existsSync(spoilt.partPath)).toBe(true);
  });

  test('is continued after a power cut as far as it was durable', async () => {
    const path = await part();
    const journal = path.replace(/part$/, 'blocks');
    const text = readFileSync(journal);
    const marks = text.length - Math.ceil(large.length / (256 * 1024));
    // The second block was flushed; then the machine went down, and is another since.
    text[marks + 1] = 2;
    text.write('f'.repeat(32), marks - 33, 'latin1');
    writeFileSync(journal, text);
    expect(await holding(file)).toEqual({
      kind: 'part',
      part: process.platform === 'linux' ? [{ start: MIB / 4, end: MIB / 2 }] : expect.anything(),
    });
  });
});
