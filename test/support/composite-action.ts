import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'yaml';
import type { Workspace } from './run-program.ts';

/** As much of an `action.yml` as a composite action here has. */
export interface CompositeAction {
  readonly inputs: Readonly<Record<string, { readonly description: string; readonly default?: string }>>;
  readonly outputs: Readonly<Record<string, { readonly description: string; readonly value: string }>>;
  readonly runs: { readonly using: string; readonly steps: readonly ActionStep[] };
}

export interface ActionStep {
  readonly id: string;
  readonly shell?: string;
  readonly run?: string;
  readonly uses?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly with?: Readonly<Record<string, string>>;
}

export function readAction(text: string): CompositeAction {
  // Values of inputs are texts for GitHub, whatever they look like.
  return parse(text, { schema: 'failsafe' }) as CompositeAction;
}

export interface ActionRun {
  readonly exit: number | undefined;
  /** What the steps that ran wrote to both streams. */
  readonly said: string;
  readonly outputs: Readonly<Record<string, string>>;
}

/** Stands for `actions/…`: gets what `with` came to, returns the outputs of the step. */
export type UsedAction = (given: Readonly<Record<string, string>>) => Promise<Record<string, string>>;

/** Runs the scripts of an action as a runner of GitHub does, in the directory of a workspace; `checkout` is where the action is. */
export async function runAction(
  action: CompositeAction,
  inputs: Readonly<Record<string, string>>,
  workspace: Workspace,
  used: UsedAction,
  environment: Readonly<Record<string, string>>,
  checkout: string,
): Promise<ActionRun> {
  const values = new Map<string, string>();
  for (const [name, { default: value = '' }] of Object.entries(action.inputs))
    values.set(`inputs.${name}`, inputs[name] ?? value);
  const resolved = (text: string) =>
    text.replace(/\$\{\{ *([\w.-]+) *\}\}/g, (_, name: string) => values.get(name) ?? '');
  let said = '';
  const outputs = () =>
    Object.fromEntries(Object.entries(action.outputs).map(([name, { value }]) => [name, resolved(value)]));
  for (const [index, { id, run, env = {}, with: given = {} }] of action.runs.steps.entries()) {
    if (run === undefined) {
      const answer = await used(mapped(given, resolved));
      for (const [name, value] of Object.entries(answer)) values.set(`steps.${id}.outputs.${name}`, value);
      continue;
    }
    const script = join(workspace.root, `step-${index}.sh`);
    const told = join(workspace.root, `outputs-${index}`);
    await writeFile(script, run);
    await writeFile(told, '');
    const ended = await workspace.run(['--noprofile', '--norc', '-eo', 'pipefail', script], {
      command: ['bash'],
      env: { ...environment, ...mapped(env, resolved), GITHUB_OUTPUT: told, GITHUB_ACTION_PATH: checkout },
    });
    said += ended.stdout + ended.stderr;
    if (ended.exit !== 0) return { exit: ended.exit, said, outputs: outputs() };
    for (const [name, value] of stepOutputs(await readFile(told, 'utf8')))
      values.set(`steps.${id}.outputs.${name}`, value);
  }
  return { exit: 0, said, outputs: outputs() };
}

function mapped(
  record: Readonly<Record<string, string>>,
  change: (text: string) => string,
): Record<string, string> {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, change(value)]));
}

/** `NAME=VALUE`, or `NAME<<END`, lines, `END`. */
function stepOutputs(text: string): [string, string][] {
  return Array.from(
    text.matchAll(/^(\w+)(?:=(.*)|<<(.+)\n([\s\S]*?)\n\3)$/gm),
    ([, name = '', short, , long]): [string, string] => [name, short ?? long ?? ''],
  );
}
