import { spawn } from 'node:child_process';
import { mkdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MISTRAL_GPTQ, mistralGptq } from '../support/hub/fixtures/mistral-gptq.ts';
import { type Hub, startHub } from '../support/hub/hub.ts';
import { PROGRAM } from '../support/run-program.ts';
import { Screen } from '../support/screen.ts';

export const COLUMNS = 80;
/** Short, so that paths below it fit into a line. */
export const DEFAULT_DIRECTORY: string = join(tmpdir(), 'fetch-demo');
/** What is typed, twice. */
export const COMMAND: string = `fetch ${MISTRAL_GPTQ}:gptq-8bit-32g-actorder_True`;
/** Of the true sizes. */
const SCALE = 0.02;
const TOKEN = 'hf_demoDemoDemoDemoDemoDemoDemoDemo';
/** Of each connection. */
const BYTES_PER_SECOND = 3_000_000;
const BRANCH_BYTES = 165_000_000;
/** Two frames are at least so far apart. */
const FRAME_MS = 350;
/** The end of a run stays for so long. */
const READING_MS = 2500;

/** What a terminal shows, from some moment on. */
export interface Frame {
  readonly atMs: number;
  readonly lines: readonly string[];
}

/**
 * A download in a pseudo terminal, ended with Ctrl-C halfway, and the same command once more: the real program, and what
 * it really writes. Needs `script` of util-linux. `directory` is made anew, and gone afterwards.
 */
export async function record(directory: string = DEFAULT_DIRECTORY): Promise<Frame[]> {
  await mkdir(directory);
  await using hub = await startHub({
    repositories: [mistralGptq({ scale: SCALE })],
    tokens: [{ token: TOKEN, user: 'demo', access: 'all' }],
    bytesPerSecond: BYTES_PER_SECOND,
    latencyMs: 20,
  });
  try {
    const camera = new Camera();
    await act(camera, hub, directory, () => hub.log.bytesSent('cdn') > BRANCH_BYTES / 2);
    await act(camera, hub, directory, () => false);
    return camera.frames;
  } finally {
    await rm(directory, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  }
}

/** Keeps time that passes on the screen, without that in which nothing is to be seen. */
class Camera {
  readonly frames: Frame[] = [];
  readonly screen = new Screen(COLUMNS);
  #pastMs = 0;
  #startedAt = performance.now();

  /** A run begins: its command is there, and can be read. */
  type(text: string): void {
    this.screen.write(`$ ${text}\r\n`);
    this.#startedAt = performance.now() - FRAME_MS;
    this.#keep(this.#pastMs);
  }

  write(text: string): void {
    this.screen.write(text);
    const atMs = this.#pastMs + performance.now() - this.#startedAt;
    if (atMs - (this.frames.at(-1)?.atMs ?? 0) >= FRAME_MS) this.#keep(atMs);
  }

  /** A run has ended: its last words stay. */
  cut(): void {
    const atMs = Math.max(
      this.#pastMs + performance.now() - this.#startedAt,
      (this.frames.at(-1)?.atMs ?? 0) + FRAME_MS,
    );
    this.#keep(atMs);
    this.#pastMs = atMs + READING_MS;
  }

  #keep(atMs: number): void {
    this.frames.push({ atMs: Math.round(atMs), lines: this.screen.lines });
  }
}

async function act(camera: Camera, hub: Hub, directory: string, interruptWhen: () => boolean): Promise<void> {
  camera.type(COMMAND);
  const [, ...words] = COMMAND.split(' ');
  const line = `stty cols ${COLUMNS} rows 24; exec '${process.execPath}' '${PROGRAM}' ${words.join(' ')}`;
  const child = spawn('script', ['-qec', line, '/dev/null'], {
    cwd: directory,
    env: {
      PATH: process.env['PATH'],
      HOME: join(directory, 'no-such-home'),
      HF_ENDPOINT: hub.origin,
      HF_TOKEN: TOKEN,
      TERM: 'xterm',
      SHELL: '/bin/sh',
    },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  let interrupted = false;
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    camera.write(text);
    if (interrupted || !interruptWhen()) return;
    interrupted = true;
    child.stdin.write('\u0003');
  });
  await new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  camera.cut();
}
