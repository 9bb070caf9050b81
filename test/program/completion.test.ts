import { execFileSync } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { Workspace } from '../support/run-program.ts';

/** Why a shell cannot be tried; undefined if it can. */
function missing(shell: string): string | undefined {
  try {
    execFileSync(shell, ['--version'], { stdio: 'ignore' });
    return undefined;
  } catch {
    return `${shell} is not installed`;
  }
}

async function prepared(shell: string): Promise<Workspace> {
  const workspace = await Workspace.open();
  const { exit, stdout } = await workspace.run(['completion', shell]);
  expect(exit).toBe(0);
  await writeFile(workspace.path('script'), stdout);
  await mkdir(workspace.path('a model'));
  await writeFile(workspace.path('models.lock'), '');
  return workspace;
}

/** Words typed, and what the shell must offer, sorted. */
const CASES: readonly (readonly [typed: readonly string[], offered: readonly string[]])[] = [
  [['ver'], ['verify']],
  [
    ['verify', '--qui'],
    ['--quick', '--quiet'],
  ],
  [['--fro'], ['--from', '--frozen']],
  [['lock', '--fro'], []],
  [['doctor', '--js'], ['--json']],
  [['doctor', '--rec'], ['--record']],
  [
    ['some/repo', '--progress', ''],
    ['auto', 'bar', 'none', 'plain'],
  ],
  [['some/repo', '--repo-type', 'd'], ['dataset']],
  [
    ['completion', ''],
    ['bash', 'fish', 'zsh'],
  ],
];

test('bash', async (context) => {
  const why = missing('bash');
  if (why !== undefined) return context.skip(why);
  await using workspace = await prepared('bash');
  const complete = async (typed: readonly string[]) => {
    const words = ['fetch', ...typed].map((word) => `'${word}'`).join(' ');
    const script = `. ./script; COMP_WORDS=(${words}); COMP_CWORD=${typed.length}; _fetch_complete; printf '%s\\n' "\${COMPREPLY[@]}"`;
    const { stdout, stderr } = await workspace.run(['--norc', '-c', script], { command: ['bash'] });
    expect(stderr).toBe('');
    return stdout.split('\n').filter((line) => line !== '');
  };
  for (const [typed, offered] of CASES) expect((await complete(typed)).sort()).toEqual(offered);
  expect(await complete(['verify', 'a'])).toEqual(['a model']);
  expect(await complete(['--lock', 'mod'])).toEqual(['models.lock']);
  expect(await complete(['some/repo', '--progress', '=', 'b'])).toEqual(['bar']);
});

test('fish', async (context) => {
  const why = missing('fish');
  if (why !== undefined) return context.skip(why);
  await using workspace = await prepared('fish');
  const complete = async (typed: readonly string[]) => {
    const script = `source script; complete -C 'fetch ${typed.join(' ')}'`;
    const run = await workspace.run(['--no-config', '-c', script], { command: ['fish'] });
    expect(run.stderr).toBe('');
    return run.stdout.split('\n').flatMap((line) => (line === '' ? [] : [line.split('\t')[0]]));
  };
  for (const [typed, offered] of CASES) expect((await complete(typed)).sort()).toEqual(offered);
  expect(await complete(['verify', 'a'])).toContain('a model/');
  expect(await complete(['--lock', 'mod'])).toEqual(['models.lock']);
});

/** Types a line into a zsh of its own, presses tab and then the key that lists, and returns what is on its screen. */
const ZSH = `
zmodload zsh/zpty
zpty shell 'zsh -f -i'
zpty -w shell 'TERM=dumb; autoload -U compinit; compinit -u -D; source ./script; fetch() {}; PROMPT=READY%%'
# Typed it has two of them, as a prompt one: then keys are read, and tab means what it should.
zpty -r -m shell out '*READY%[^%]*'
sleep 0.5
zpty -w -n shell "fetch $1"$'\\t'
buffer= wanted=$2
look() {
  integer tries=0
  while (( tries++ < 80 )) && [[ $buffer != *$wanted* ]]; do
    if zpty -r -t shell piece; then buffer+=$piece; else sleep 0.1; fi
  done
}
look
# What is not unique is listed by this key.
[[ $buffer == *$wanted* ]] || zpty -w -n shell $'\\x04'
look
print -rn -- $buffer
zpty -d shell
`;

test('zsh', async (context) => {
  const why = missing('zsh');
  if (why !== undefined) return context.skip(why);
  await using workspace = await prepared('zsh');
  for (const [typed, shown] of [
    ['ver', 'fetch verify '],
    ['verify --qui', '--quiet'],
    ['some/repo --repo-type d', '--repo-type dataset '],
    ['verify a', 'fetch verify a\\ model/'],
    ['completion f', 'fetch completion fish '],
  ] as const) {
    const run = await workspace.run(['-f', '-c', ZSH, 'zsh', typed, shown.replaceAll('\\', '\\\\')], {
      command: ['zsh'],
    });
    expect(run.stdout).toContain(shown);
  }
});

test('another shell is a usage error', async () => {
  await using workspace = await Workspace.open();
  expect((await workspace.run(['completion', 'csh'])).exit).toBe(2);
});
