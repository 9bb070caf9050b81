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
  [['--fro'], ['--frozen']],
  [['lock', '--fro'], []],
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
zpty -w shell 'PROMPT=; TERM=dumb; autoload -U compinit; compinit -u -D; source ./script; fetch() {}; print READY'
zpty -r -m shell out '*READY*READY*'
zpty -w -n shell "fetch $1"$'\\t'
sleep 0.7
zpty -w -n shell $'\\x04'
sleep 0.7
while zpty -r -t shell piece; do print -rn -- $piece; done
zpty -d shell
`;

test('zsh', async (context) => {
  const why = missing('zsh');
  if (why !== undefined) return context.skip(why);
  await using workspace = await prepared('zsh');
  const screen = async (typed: string) => {
    const run = await workspace.run(['-f', '-c', ZSH, 'zsh', typed], { command: ['zsh'] });
    return run.stdout;
  };
  expect(await screen('ver')).toContain('fetch verify ');
  expect(await screen('verify --qui')).toMatch(/--quick[\s\S]*--quiet/);
  expect(await screen('some/repo --repo-type d')).toContain('--repo-type dataset ');
  expect(await screen('verify a')).toContain('fetch verify a\\ model/');
  expect(await screen('completion f')).toContain('fetch completion fish ');
});

test('another shell is a usage error', async () => {
  await using workspace = await Workspace.open();
  expect((await workspace.run(['completion', 'csh'])).exit).toBe(2);
});
