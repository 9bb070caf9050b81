import { spawn } from 'node:child_process';

/** How a run of the program ended. */
export interface Ending {
  readonly exit: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly elapsedMs: number;
}

export interface ProgramRun {
  /** dist/cli/main.js. */
  readonly script: string;
  readonly args: readonly string[];
  readonly directory: string;
  readonly environment: NodeJS.ProcessEnv;
  /** Asked twenty times a second; true sends SIGINT, once. */
  readonly interruptWhen?: () => boolean;
}

/** A run that takes longer than this hangs. */
const LIMIT_MS = 90_000;

/** Runs the program in the terminal of this process, so that it draws what it would draw for a person. */
export function runProgram(run: ProgramRun): Promise<Ending> {
  const started = performance.now();
  const child = spawn(process.execPath, [run.script, ...run.args], {
    cwd: run.directory,
    env: run.environment,
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  let interrupted = false;
  const watch = setInterval(() => {
    if (performance.now() - started > LIMIT_MS) child.kill('SIGKILL');
    if (interrupted || run.interruptWhen?.() !== true) return;
    interrupted = true;
    child.kill('SIGINT');
  }, 50);
  // A terminal sends Ctrl-C to the child as well; anyone else who signals the demo does not.
  const pass = () => setTimeout(() => child.kill('SIGINT'), 500).unref();
  process.on('SIGINT', pass);
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (exit, signal) => resolve({ exit, signal, elapsedMs: performance.now() - started }));
  }).finally(() => {
    clearInterval(watch);
    process.off('SIGINT', pass);
  }) as Promise<Ending>;
}

/** The variables of this process without those that would lead the program elsewhere. */
export function cleanEnvironment(extra: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const entries = Object.entries(process.env).filter(
    ([name]) => !/^(HF_|HUGGING_FACE_|HUGGINGFACE_|.*_proxy$)/i.test(name),
  );
  return { ...Object.fromEntries(entries), ...extra };
}
