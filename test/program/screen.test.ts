import { execFileSync } from 'node:child_process';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { generated } from '../support/hub/content/content.ts';
import { type Hub, startHub } from '../support/hub/hub.ts';
import { gitFile, xetFile } from '../support/hub/repositories/file.ts';
import { slackMs } from '../support/machine.ts';
import { PROGRAM, type RunningProgram, Workspace } from '../support/run-program.ts';
import { Screen } from '../support/screen.ts';

const MIB = 1 << 20;
const ID = 'tests/screen';

/** Only `script` of util-linux takes a command this way; that of BSD and macOS does not. */
const hasTerminal = (() => {
  try {
    return execFileSync('script', ['--version'], { encoding: 'utf8' }).includes('util-linux');
  } catch {
    return false;
  }
})();
if (!hasTerminal) console.warn('SKIPPED: there is no `script` of util-linux to make a terminal');

let hub: Hub;
let workspace: Workspace;

beforeEach(async () => {
  const shards = Array.from({ length: 3 }, (_, index) =>
    xetFile(`model-0000${index + 1}-of-00003.safetensors`, generated(`shard ${index}`, 6 * MIB)),
  );
  hub = await startHub({
    repositories: [{ id: ID, branches: { main: [gitFile('config.json', '{}\n'), ...shards] } }],
    bytesPerSecond: MIB,
  });
  workspace = await Workspace.open({ endpoint: hub.origin });
});

afterEach(async () => {
  await workspace[Symbol.asyncDispose]();
  await hub.close();
});

/** The program at a terminal of that width; what it writes comes out of stdout, both streams in one. */
function atTerminal(
  columns: number,
  words: readonly string[] = [],
  env: Record<string, string> = {},
): RunningProgram {
  const line = `stty cols ${columns} rows 24; exec '${process.execPath}' '${PROGRAM}' ${[ID, ...words].join(' ')}`;
  return workspace.start(['-qec', line, '/dev/null'], {
    command: ['script'],
    env: { TERM: 'xterm', SHELL: '/bin/sh', ...env },
  });
}

function shown(text: string, columns: number): Screen {
  const screen = new Screen(columns);
  screen.write(text);
  return screen;
}

describe.skipIf(!hasTerminal)('at a terminal', () => {
  test.each([80, 40])('bars at %i columns: they move, fit, and are gone in the end', async (columns) => {
    const program = atTerminal(columns);
    await program.until(
      'the bars are there',
      () => /\d%/.test(program.stdout) && hub.log.bytesSent('cdn') > 4 * MIB,
    );
    await new Promise((resolve) => setTimeout(resolve, 400));
    const middle = shown(wholeFrames(program.stdout), columns);
    // The rows that change; what was said above them may be longer than one row.
    const rows = middle.lines.filter((line) => /\d%/.test(line));
    expect(rows.length).toBeGreaterThanOrEqual(2);
    for (const row of middle.lines) expect(row.length).toBeLessThanOrEqual(columns);
    for (const row of rows) expect(row.length).toBeLessThan(columns);
    expect(middle.lines.join('\n')).toContain('safetensors');
    expect(middle.cursorVisible).toBe(false);
    console.log(`${columns} columns:\n${middle.lines.join('\n')}`);

    hub.settings.bytesPerSecond = undefined;
    const run = await program.ended;
    expect(run.exit).toBe(0);
    const end = shown(run.stdout, columns);
    expect(end.cursorVisible).toBe(true);
    const text = end.lines.join('');
    expect(text).toContain('all verified');
    expect(text).not.toMatch(/\d%/);
    expect(text.endsWith(workspace.path('screen'))).toBe(true);
  });

  test('Ctrl-C: the cursor comes back, and the last line says how to go on', async () => {
    const program = atTerminal(80);
    await program.until(
      'bytes have come',
      () => /\d%/.test(program.stdout) && hub.log.bytesSent('cdn') > 2 * MIB,
    );
    const asked = performance.now();
    program.type('\u0003');
    const run = await program.ended;
    expect(run.exit).toBe(130);
    expect(performance.now() - asked).toBeLessThan(2000 + slackMs());
    const end = shown(run.stdout, 80);
    expect(end.cursorVisible).toBe(true);
    expect(end.lines.join('').replace(/\s+/g, ' ')).toMatch(
      /interrupted by SIGINT; .* kept .*; run the same command again to resume$/,
    );
  });

  test('Ctrl-C twice: the cursor comes back all the same', async () => {
    const program = atTerminal(80);
    await program.until(
      'bytes have come',
      () => /\d%/.test(program.stdout) && hub.log.bytesSent('cdn') > 2 * MIB,
    );
    program.type('\u0003\u0003');
    const run = await program.ended;
    expect(run.exit).toBe(130);
    expect(shown(run.stdout, 80).cursorVisible).toBe(true);
  });

  test.each([
    ['NO_COLOR', { NO_COLOR: '1' }],
    ['CI', { CI: 'true' }],
    ['a terminal that can do nothing', { TERM: 'dumb' }],
  ] as const)('plain lines with %s', async (_name, env) => {
    hub.settings.bytesPerSecond = undefined;
    const run = await atTerminal(80, [], env).ended;
    expect(run.exit).toBe(0);
    expect(run.stdout).not.toContain('\u001b');
    expect(run.stdout).toContain('all verified');
  });

  test('--quiet shows nothing but the path', async () => {
    hub.settings.bytesPerSecond = undefined;
    const run = await atTerminal(80, ['--quiet']).ended;
    expect(run).toMatchObject({ exit: 0, stdout: `${workspace.path('screen')}\r\n` });
  });
});

/** Without a control code that has only half arrived. */
function wholeFrames(text: string): string {
  return text.replace(/\u001b[^A-Za-z]*$/, '');
}
