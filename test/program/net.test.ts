import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { gpt2 } from '../support/hub/fixtures/various.ts';
import { type Hub, startHub } from '../support/hub/hub.ts';
import { jsonLines, PROGRAM, Workspace } from '../support/run-program.ts';

const REPO = 'openai-community/gpt2';

let hub: Hub;
let workspace: Workspace;

beforeAll(async () => {
  hub = await startHub({ repositories: [gpt2()] });
});

afterAll(() => hub.close());

beforeEach(async () => {
  workspace = await Workspace.open({ endpoint: hub.origin });
});

afterEach(async () => await workspace[Symbol.asyncDispose]());

/** The program with a piece of code in the same process that breaks something. */
async function broken(code: string, words: readonly string[]) {
  const file = workspace.path('../broken.mjs');
  writeFileSync(file, code);
  return await workspace.run(words, { command: [process.execPath, '--import', file, PROGRAM] });
}

const BUG_HINT =
  'hint: This is a bug in fetch. Run the same command with --verbose and report what it prints.\n';
/** A thread that takes everything and never answers; nothing of it keeps the process alive. */
const DEAF_THREADS = `
import threads from 'node:worker_threads';
import { syncBuiltinESMExports } from 'node:module';
import { EventEmitter } from 'node:events';
threads.Worker = class extends EventEmitter {
  performance = { eventLoopUtilization: () => ({ utilization: 0 }) };
  postMessage() {}
  ref() {}
  unref() {}
  async terminate() {}
};
syncBuiltinESMExports();`;

describe('the net', () => {
  const begins = `import fs from 'node:fs';
    const timer = setInterval(() => {
      // Between its creation and its first write it has no owner, for ten seconds.
      if (!(fs.statSync('gpt2/.cache/fetch/lock', { throwIfNoEntry: false })?.size > 0)) return;
      clearInterval(timer);
      BREAK
    }, 1);`;

  test.each([
    [
      'an error in a timer',
      begins.replace('BREAK', "throw new Error('came\\nfrom nowhere');"),
      'came from nowhere',
    ],
    ['a rejection', begins.replace('BREAK', "Promise.reject(new Error('not caught'));"), 'not caught'],
    [
      'a loop that runs dry',
      DEAF_THREADS,
      'the program had nothing left to wait for before its work was done',
    ],
  ])('%s is one paragraph, exit 1, and no lock is left', async (_name, code, message) => {
    const run = await broken(code, [REPO]);
    expect(run.exit).toBe(1);
    expect(run.stdout).toBe('');
    expect(run.stderr.endsWith(`fetch: error: ${message}\n${BUG_HINT}`)).toBe(true);
    expect(existsSync(workspace.path('gpt2/.cache/fetch'))).toBe(true);
    expect(workspace.has('gpt2/.cache/fetch/lock')).toBe(false);
  });

  test('the same with --json ends with an error object', async () => {
    const run = await broken(DEAF_THREADS, [REPO, '--json']);
    expect(run.exit).toBe(1);
    expect(jsonLines(run.stdout).at(-1)).toMatchObject({ event: 'error', code: 'BUG', exit: 1 });
  });

  test('what is left open does not keep a finished program alive', async () => {
    const run = await broken("import net from 'node:net'; net.createServer().listen(0, '127.0.0.1');", [
      REPO,
      '-q',
    ]);
    expect(run).toMatchObject({ exit: 0, stdout: `${workspace.path('gpt2')}\n`, stderr: '' });
  });

  test('a signal that comes before anything has begun', async () => {
    for (const [name, exit] of [
      ['SIGINT', 130],
      ['SIGTERM', 143],
    ] as const) {
      // As soon as a listener exists, which is before the rest of the program is loaded.
      const code = `const look = () =>
        process.listenerCount('${name}') > 0 ? process.kill(process.pid, '${name}') : setImmediate(look);
      look();`;
      const run = await broken(code, [REPO, '--json']);
      expect(run.exit).toBe(exit);
      expect(run.stderr).toContain(`fetch: interrupted by ${name}; nothing was fetched yet`);
      expect(jsonLines(run.stdout).at(-1)).toMatchObject({ event: 'error', code: 'ABORTED', exit });
    }
  });
});

describe.skipIf(!existsSync('/dev/full'))('a result that cannot be written', () => {
  test.each([
    [[REPO]],
    [[REPO, '--json']],
    [[REPO, '--dry-run']],
    [['branches', REPO]],
    [['lock', REPO]],
    [['config', '--json']],
    [['doctor', REPO]],
    [['completion', 'bash']],
    [['cache', 'ls', '--json']],
    [['--help']],
  ])('%j > /dev/full is exit 8', async (words) => {
    const command = ['sh', '-c', 'exec "$@" > /dev/full', 'sh', process.execPath, PROGRAM];
    const run = await workspace.run(words, { command });
    expect(run.exit).toBe(8);
    expect(run.stderr).toMatch(
      /fetch: error: the result could not be written to stdout: ENOSPC: .*\nhint: Free some space where stdout goes/,
    );
  });

  test('a text that fits only in part is no success either', async () => {
    // A file may have 512 bytes here: what is longer is cut without an error, and only the next write fails.
    const line = 'trap \'\' XFSZ; ulimit -f 1; exec "$@" > ../result';
    const command = ['sh', '-c', line, 'sh', process.execPath, PROGRAM];
    const run = await workspace.run(['completion', 'bash'], { command });
    expect(run.exit).toBe(8);
    expect(run.stderr).toContain('the result could not be written to stdout: EFBIG');
  });

  test('a reader that has gone away, and no stdout or stderr at all, are quiet', async () => {
    const run = async (line: string) =>
      await workspace.run([REPO, '--json'], {
        command: ['bash', '-c', line, 'sh', process.execPath, PROGRAM],
      });
    const piped = await run('set -o pipefail; "$@" | head -1');
    expect(piped.exit).toBe(0);
    expect(jsonLines(piped.stdout)[0]).toMatchObject({ event: 'resolved' });
    expect(await run('exec "$@" >&-')).toMatchObject({ exit: 0, stdout: '' });
    expect(await run('exec "$@" 2>&-')).toMatchObject({ exit: 0, stderr: '' });
    expect(await run('exec "$@" 2> /dev/full')).toMatchObject({ exit: 0 });
  });
});

describe('one error object for every command', () => {
  test.each([
    [['nope/nope'], 5],
    [['nope/nope', '--dry-run'], 5],
    [['branches', 'nope/nope'], 5],
    [['lock', 'nope/nope'], 5],
    [['verify', 'nothere'], 4],
    [['verify', '.', '--repo', 'nope/nope'], 5],
    [['doctor', 'a/b/c/d'], 2],
    [['config', '--endpoint', 'x'], 2],
    [['cache', 'verify', 'nope/nope'], 4],
    [['cache', 'rm', 'nope/nope'], 4],
    [['cache', 'ls', '--cache-dir', ''], 2],
    [[REPO, '--bogus'], 2],
    [['branches', REPO, '--bogus'], 2],
    [['branches'], 2],
    [['cache', 'prune'], 2],
    [['ls', REPO], 2],
    [[], 2],
  ])('%j --json', async (words, exit) => {
    const run = await workspace.run([...words, '--json']);
    expect(run.exit).toBe(exit);
    const lines = jsonLines(run.stdout);
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatchObject({ event: 'error', exit });
    expect(lines[0]?.['message']).not.toBe('');
    expect(lines[0]?.['hint']).not.toBe('');
    expect(run.stderr).toMatch(/^fetch: error: /m);
  });

  test('documents of lock and cache rm', async () => {
    const lock = await workspace.run(['lock', REPO, '--json', '-q']);
    expect(JSON.parse(lock.stdout)).toMatchObject({
      v: 1,
      path: workspace.path('models.lock'),
      locks: [{ repo: { type: 'model', id: REPO }, revision: 'main', files: 2 }],
    });
    await workspace.run([REPO, '--cache-dir', 'c', '-q']);
    const words = ['cache', 'rm', REPO, '--cache-dir', 'c', '--json'];
    const dry = await workspace.run([...words, '--dry-run', '-q']);
    expect(JSON.parse(dry.stdout)).toMatchObject({ v: 1, cache: workspace.path('c'), removed: false });
    const rm = await workspace.run([...words, '--yes', '-q']);
    expect(JSON.parse(rm.stdout)).toMatchObject({ v: 1, repo: { id: REPO }, removed: true });
    expect(workspace.has('c', 'models--openai-community--gpt2')).toBe(false);
  });
});

describe('what the system does not know', () => {
  /** A user without an entry in /etc/passwd, and no HOME. Only root can become that. */
  const STRANGER = ['setpriv', '--reuid', '54321', '--regid', '54321', '--clear-groups'];
  const [file = '', ...rest] = [...STRANGER, process.execPath, PROGRAM, '--version'];
  const mayBecome = process.getuid?.() === 0 && spawnSync(file, rest).status === 0;

  const asStranger = async (words: readonly string[], env: Record<string, string> = {}) => {
    const variables = Object.entries({ PATH: process.env['PATH'] ?? '', HF_ENDPOINT: hub.origin, ...env });
    const command = [...STRANGER, 'env', '-i', ...variables.map(([name, value]) => `${name}=${value}`)];
    return await workspace.run(words, { command: [...command, process.execPath, PROGRAM] });
  };

  test.skipIf(!mayBecome)('no HOME and no such user: everything works that needs no home', async () => {
    // The directories of a workspace are for their owner only.
    spawnSync('chmod', ['-R', '0777', workspace.root]);
    expect(await asStranger([REPO, '-q'])).toMatchObject({ exit: 0, stdout: `${workspace.path('gpt2')}\n` });
    expect((await asStranger(['branches', REPO])).exit).toBe(0);
    expect((await asStranger(['verify', 'gpt2', '-q'])).exit).toBe(0);
    expect((await asStranger(['config'])).exit).toBe(0);
    const cache = await asStranger([REPO, '--cache', '--json']);
    expect(cache.exit).toBe(2);
    expect(cache.stderr).toMatch(/no home directory is known here.*\nhint: Name it with --cache-dir DIR/);
    const hfHome = { HF_HOME: workspace.path('hf') };
    expect((await asStranger([REPO, '--cache', '-q'], hfHome)).stdout).toContain(
      workspace.path('hf/hub/models--'),
    );
    expect((await asStranger([REPO, '--local-dir=~/x'])).stderr).toContain('--local-dir begins with ~');
  });

  test('an empty HOME is none: nothing lands in the directory of the command', async () => {
    const run = await workspace.run(['cache', 'ls'], { env: { HOME: '' } });
    expect([0, 2]).toContain(run.exit);
    expect(run.stderr).not.toContain(workspace.directory);
  });

  test.each([[[REPO]], [['branches', REPO]], [['verify']], [['lock', REPO]]])(
    'the directory of the command is gone: %j is exit 8',
    async (words) => {
      mkdirSync(workspace.path('gone'));
      const line = 'cd gone && rmdir ../gone && exec "$@"';
      const command = ['sh', '-c', line, 'sh', process.execPath, PROGRAM];
      const run = await workspace.run([...words, '--json'], { command });
      expect(run.exit).toBe(8);
      expect(run.stderr).toContain(
        'fetch: error: the directory that this command was started in is gone (ENOENT)\nhint: ',
      );
      expect(jsonLines(run.stdout)).toMatchObject([{ event: 'error', code: 'DISK', exit: 8 }]);
      await rm(workspace.path('gone'), { recursive: true, force: true });
    },
  );
});
