import { execFile, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Where the interpreter with huggingface_hub is, or why there is none. */
export type PythonEnvironment = { readonly python: string } | { readonly missing: string };

export function findPython(): PythonEnvironment {
  const given = process.env['FETCH_TEST_PYTHON'];
  const python = given ?? fileURLToPath(new URL('../../.venv/bin/python', import.meta.url));
  if (existsSync(python)) return { python };
  const missing = `${python} is missing: run test/support/python-environment.sh`;
  // Where the environment is promised, its absence is a failure and not a skipped test.
  if (process.env['FETCH_TEST_REQUIRE_PYTHON'] === '1') throw new Error(missing);
  return { missing };
}

/** The oldest huggingface_hub that is tried, beside the newest one; undefined where it could not be installed. */
export function findOldPython(python: string): string | undefined {
  const old = join(dirname(python), '../old/bin/python');
  return existsSync(old) ? old : undefined;
}

/** Whether a module is installed there; it is not loaded. */
export function hasModule(python: string, name: string): boolean {
  const program = 'import importlib.util, sys; sys.exit(importlib.util.find_spec(sys.argv[1]) is None)';
  return spawnSync(python, ['-c', program, name]).status === 0;
}

export interface PythonRun {
  readonly python: string;
  readonly endpoint: string;
  /** HF_HOME: nothing outside of it is read or written. */
  readonly home: string;
  /** Extra variables, `HF_TOKEN` for one. */
  readonly environment?: Readonly<Record<string, string>>;
}

/** Runs `hf` of the same environment, or what it was called before; its output and what it complained of. */
export async function runHf(
  setting: PythonRun,
  words: readonly string[],
): Promise<{ readonly stdout: string; readonly stderr: string }> {
  const names = ['hf', 'huggingface-cli'].map((name) => join(dirname(setting.python), name));
  const program = names.find((path) => existsSync(path)) ?? names[0]!;
  return await run(program, words, { env: environmentOf(setting) });
}

/** Runs a program with `arguments` as its JSON input in `sys.argv[1]`; its output is what it printed. */
export async function runPython(setting: PythonRun, program: string, input: unknown): Promise<string> {
  const { stdout } = await run(setting.python, ['-c', program, JSON.stringify(input)], {
    env: environmentOf(setting),
    maxBuffer: 16 << 20,
  });
  return stdout.trim();
}

function environmentOf(setting: PythonRun): Record<string, string> {
  return {
    PATH: process.env['PATH'] ?? '',
    HOME: setting.home,
    HF_HOME: setting.home,
    HF_ENDPOINT: setting.endpoint,
    HF_HUB_DISABLE_XET: '1',
    HF_HUB_DISABLE_PROGRESS_BARS: '1',
    HF_HUB_DISABLE_TELEMETRY: '1',
    HF_HUB_DISABLE_UPDATE_CHECK: '1',
    NO_PROXY: '127.0.0.1',
    ...setting.environment,
  };
}
