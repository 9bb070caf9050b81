import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

/** The program as it is published: built, run by Node in a process of its own. */
export const PROGRAM: string = join(packageRoot(), 'dist/cli/main.js');

/** This file also runs compiled, deep below `build`. */
function packageRoot(): string {
  let directory = fileURLToPath(new URL('.', import.meta.url));
  while (!existsSync(join(directory, 'package.json'))) directory = dirname(directory);
  return directory;
}

export interface Run {
  readonly stdout: string;
  readonly stderr: string;
  /** Undefined if a signal ended it. */
  readonly exit: number | undefined;
  readonly signal: NodeJS.Signals | undefined;
  readonly tookMs: number;
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** Instead of the program itself; for pseudo-terminals. */
  readonly command?: readonly string[];
}

export interface WorkspaceOptions {
  /** Address for HF_ENDPOINT. */
  readonly endpoint?: string;
  /** Where the temporary directory is made. */
  readonly below?: string;
}

/** A process that is under way. */
export class RunningProgram {
  readonly pid: number;
  readonly ended: Promise<Run>;
  stdout = '';
  stderr = '';
  hasEnded = false;
  readonly #child: ChildProcess;

  constructor(child: ChildProcess) {
    this.#child = child;
    this.pid = child.pid ?? 0;
    const began = performance.now();
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text;
    });
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
    });
    this.ended = new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (exit, signal) => {
        this.hasEnded = true;
        const { stdout, stderr } = this;
        const tookMs = performance.now() - began;
        resolve({ stdout, stderr, exit: exit ?? undefined, signal: signal ?? undefined, tookMs });
      });
    });
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Keys typed at a program that was started with a terminal. */
  type(keys: string): void {
    this.#child.stdin?.write(keys);
  }

  /** Resolves when the condition holds; rejects if the program ends, or the time limit passes, before that. */
  async until(what: string, isSo: () => boolean, limitMs = 60_000): Promise<void> {
    const began = performance.now();
    while (!isSo()) {
      const late = performance.now() - began > limitMs;
      if (this.hasEnded || late) {
        const why = late ? 'the time limit' : 'the program';
        throw new Error(`${why} ended before ${what}\n${this.stdout}\n${this.stderr}`);
      }
      await sleep(2);
    }
  }
}

/** A home without anything in it and a directory to work in, both gone at the end. */
export class Workspace implements AsyncDisposable {
  readonly root: string;
  readonly home: string;
  readonly directory: string;
  readonly #endpoint: string | undefined;
  readonly #programs = new Set<RunningProgram>();

  private constructor(root: string, endpoint: string | undefined) {
    this.root = root;
    this.home = join(root, 'home');
    this.directory = join(root, 'work');
    this.#endpoint = endpoint;
  }

  static async open(options: WorkspaceOptions = {}): Promise<Workspace> {
    const root = await realpath(await mkdtemp(join(options.below ?? tmpdir(), 'fetch-test-')));
    const workspace = new Workspace(root, options.endpoint);
    await mkdir(workspace.home);
    await mkdir(workspace.directory);
    return workspace;
  }

  path(...names: string[]): string {
    return join(this.directory, ...names);
  }

  has(...names: string[]): boolean {
    return existsSync(this.path(...names));
  }

  start(words: readonly string[], { env = {}, command }: RunOptions = {}): RunningProgram {
    const [file, ...before] = command ?? [process.execPath, PROGRAM];
    const child = spawn(file ?? '', [...before, ...words], {
      cwd: this.directory,
      // No variables of the caller: no token, no CI, no proxy.
      env: {
        PATH: process.env['PATH'],
        HOME: this.home,
        USERPROFILE: this.home,
        // All of it can be run with another transport.
        ...(process.env['FETCH_TRANSPORT'] === undefined
          ? {}
          : { FETCH_TRANSPORT: process.env['FETCH_TRANSPORT'] }),
        ...(this.#endpoint === undefined ? {} : { HF_ENDPOINT: this.#endpoint }),
        ...env,
      },
      stdio: [command === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    });
    const program = new RunningProgram(child);
    this.#programs.add(program);
    return program;
  }

  run(words: readonly string[], options: RunOptions = {}): Promise<Run> {
    return this.start(words, options).ended;
  }

  /** A text with everything replaced that differs from run to run; lines that only speed decides on are left out. */
  scrub(text: string): string {
    const host = this.#endpoint === undefined ? undefined : new URL(this.#endpoint).host;
    return (host === undefined ? text : text.replaceAll(host, 'hub.test'))
      .replace(/^fetch: (\d+% |.* verified, \d).*\n/gm, '')
      .replaceAll(this.directory, '/work')
      .replaceAll(this.home, '/home')
      .replace(/127\.0\.0\.1:\d+/g, 'cdn.test')
      .replace(/\b[0-9a-f]{40}\b/g, '<commit>')
      .replace(/in \d[\d.]*(ms|s)( \([\d.]+ .?B\/s\))?/g, 'in <time>')
      .replace(/(; nothing to fetch), took \d[\d.]*(ms|s)/g, '$1')
      .replace(/[\d.]+ [kMGTP]B free/g, '<space> free');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const program of this.#programs) if (!program.hasEnded) program.kill('SIGKILL');
    await Promise.allSettled([...this.#programs].map((program) => program.ended));
    await rm(this.root, { recursive: true, force: true, maxRetries: 3 });
  }
}

/** Lines of a `--json` run, each checked to be one JSON object of version 1. */
export function jsonLines(stdout: string): JsonLine[] {
  if (!stdout.endsWith('\n')) throw new Error(`the last line has no end: ${stdout}`);
  return stdout
    .slice(0, -1)
    .split('\n')
    .map((line) => {
      const parsed = JSON.parse(line) as JsonLine;
      if (parsed.v !== 1 || typeof parsed.event !== 'string') throw new Error(`no event: ${line}`);
      return parsed;
    });
}

export interface JsonLine {
  readonly event: string;
  readonly v: number;
  readonly [field: string]: unknown;
}
