/**
 * `npm run demo`: the real program against the bundled hub, on this machine only. A branch is fetched, interrupted
 * in the middle, resumed, and asked for once more; then every byte is compared. Exits 1 if anything was not as it
 * should be.
 */
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { compareWithTruth } from '../support/hub/compare.ts';
import { MISTRAL_GPTQ, MISTRAL_GPTQ_BRANCHES, mistralGptq } from '../support/hub/fixtures/mistral-gptq.ts';
import { type Hub, startHub } from '../support/hub/hub.ts';
import { megabytes, Narrator, seconds } from './narrator.ts';
import { cleanEnvironment, type Ending, type ProgramRun, runProgram } from './program.ts';

const BRANCH = 'gptq-8bit-32g-actorder_True';
const WEIGHTS = 'model.safetensors';
/** Of the true sizes: the 8-bit branch is some 330 MB. */
const SCALE = 0.04;
/** Of each connection; the eight of the program get 32 MB/s together. */
const BYTES_PER_SECOND = 4_000_000;
const CONNECTIONS = 8;
/** What an interruption may cost for each connection, as the README says. */
const LOST_PER_CONNECTION = 8 << 20;
const TOKEN = 'hf_demoDemoDemoDemoDemoDemoDemoDemo';
const isWindows = process.platform === 'win32';

class Stopped extends Error {}

interface Stage {
  readonly hub: Hub;
  readonly narrator: Narrator;
  readonly directory: string;
  readonly size: number;
  readonly stopped: () => boolean;
}

async function main(): Promise<number> {
  const script = resolve(import.meta.dirname, '../../../dist/cli/main.js');
  const narrator = new Narrator(process.stdout.columns);
  if (!existsSync(script)) {
    narrator.say('The program is not built. Run: npm run build');
    return 1;
  }
  let stopped = false;
  process.on('SIGINT', () => {
    stopped = true;
  });
  const home = await mkdtemp(join(tmpdir(), 'fetch-demo-'));
  await using hub = await startHub({
    repositories: [mistralGptq({ scale: SCALE })],
    tokens: [{ token: TOKEN, user: 'demo', access: 'all' }],
    bytesPerSecond: BYTES_PER_SECOND,
    latencyMs: 20,
  });
  try {
    const size = sizeOf(hub, BRANCH);
    const stage: Stage = { hub, narrator, directory: home, size, stopped: () => stopped };
    await play(stage, {
      script,
      args: [MISTRAL_GPTQ, '--revision', BRANCH],
      directory: home,
      environment: cleanEnvironment({
        HF_ENDPOINT: hub.origin,
        HF_TOKEN: TOKEN,
        HF_HOME: join(home, 'no-such-home'),
      }),
    });
  } catch (error) {
    if (!(error instanceof Stopped)) throw error;
    narrator.say('Stopped.');
    return 130;
  } finally {
    await rm(home, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  }
  narrator.line('');
  if (narrator.failures > 0) narrator.say(`${narrator.failures} of the checks failed.`);
  else narrator.say('All as it should be. The temporary directory is gone again.');
  return narrator.failures === 0 ? 0 : 1;
}

async function play(stage: Stage, run: ProgramRun): Promise<void> {
  const { hub, narrator, size } = stage;
  narrator.title('A hub on this machine');
  narrator.say(
    `${MISTRAL_GPTQ} with generated weights, ${SCALE * 100} % of the true size, ` +
      `${megabytes(BYTES_PER_SECOND)}/s for each connection:`,
  );
  for (const { branch, text } of MISTRAL_GPTQ_BRANCHES) {
    narrator.pair(branch, `${text}, ${megabytes(sizeOf(hub, branch))}`, 28);
  }

  narrator.title('1. Fetch one branch, and press Ctrl-C halfway');
  const half = () => hub.log.bytesSent('cdn') > size / 2;
  const first = await act(stage, { ...run, interruptWhen: half });
  const sentFirst = hub.log.bytesSent();
  checkInterrupted(stage, first);
  await showKept(stage);

  narrator.title('2. The same command again: it resumes');
  const second = await act(stage, run);
  narrator.check(second.exit === 0, `exit code 0 (${seconds(second.elapsedMs)})`);

  const sentBoth = hub.log.bytesSent();
  const requestsBoth = hub.log.count();
  narrator.title('3. And once more: nothing is left to do');
  const third = await act(stage, run);
  narrator.check(third.exit === 0, `exit code 0 (${seconds(third.elapsedMs)})`);
  const requests = hub.log.count() - requestsBoth;
  const fileRequests = hub.log.entries.slice(requestsBoth).filter(({ kind }) => isFileRequest(kind)).length;
  narrator.check(fileRequests === 0, `no file was asked for; ${requests} requests for what the branch holds`);

  narrator.title('What happened');
  await checkResult(stage);
  const spent = sentBoth - size;
  narrator.check(
    spent < CONNECTIONS * LOST_PER_CONNECTION,
    `the hub sent ${megabytes(sentBoth)} for ${megabytes(size)} of files ` +
      `(${megabytes(sentFirst)} before the interruption): ${megabytes(Math.max(0, spent))} twice or for listings`,
  );
  const tokens = hub.log.entries.filter(({ authorization }) => authorization === 'valid').length;
  narrator.check(tokens > 0, `the hub saw the token, with ${tokens} of ${hub.log.count()} requests`);
  const cdn = hub.log.count({ origin: 'cdn' });
  narrator.check(hub.log.tokenLeaks().length === 0, `its CDN never did, with none of ${cdn}`);
}

async function act({ narrator, stopped }: Stage, run: ProgramRun): Promise<Ending> {
  narrator.line(`$ fetch ${run.args.join(' ')}`);
  const ending = await runProgram(run);
  if (stopped()) throw new Stopped();
  return ending;
}

function checkInterrupted({ narrator }: Stage, { exit, signal, elapsedMs }: Ending): void {
  if (!isWindows) {
    narrator.check(exit === 130, `exit code 130, as after any Ctrl-C (${seconds(elapsedMs)})`);
    return;
  }
  // Windows has no signals between processes: kill() ends the program at once, as kill -9 does elsewhere.
  if (process.stdout.isTTY) process.stdout.write('\u001b[?25h\n');
  narrator.say('On Windows one program cannot press Ctrl-C for another: it was ended hard instead.');
  narrator.check(signal !== null || exit !== 0, `it ended in the middle (${seconds(elapsedMs)})`);
}

/** Finished files have their names; the unfinished one has none yet. */
async function showKept({ narrator, directory, hub }: Stage): Promise<void> {
  const target = targetBelow(directory);
  const whole = existsSync(target) ? (await readdir(target)).filter((name) => name !== '.cache') : [];
  const parts = join(target, '.cache', 'fetch', 'parts');
  const kept = existsSync(parts) ? await readdir(parts) : [];
  const all = hub.repository(MISTRAL_GPTQ).commitOf(BRANCH).files.size;
  narrator.say(`Kept: ${whole.length} of ${all} files whole, the rest as a part below .cache/fetch/parts.`);
  narrator.check(!whole.includes(WEIGHTS), `no half ${WEIGHTS} stands under that name`);
  narrator.check(kept.length > 0, 'its part is there');
}

async function checkResult({ narrator, hub, directory }: Stage): Promise<void> {
  const target = targetBelow(directory);
  const truth = await hub.truth(MISTRAL_GPTQ, BRANCH);
  const differences = await compareWithTruth(target, truth);
  const [worst] = differences;
  const wrong = worst === undefined ? '' : `: ${worst.path} (${worst.what})`;
  narrator.check(
    differences.length === 0,
    worst === undefined
      ? `${truth.length} files, each byte as the hub has it`
      : `${differences.length} files differ${wrong}`,
  );
  const manifest = JSON.parse(readFileSync(join(target, '.cache/fetch/manifest.json'), 'utf8')) as {
    commit?: unknown;
  };
  const commit = hub.repository(MISTRAL_GPTQ).commitOf(BRANCH).id;
  narrator.check(manifest.commit === commit, `the manifest names the commit, ${commit.slice(0, 12)}`);
}

function targetBelow(directory: string): string {
  return join(directory, `Mistral-7B-Instruct-v0.1-GPTQ_${BRANCH}`);
}

function sizeOf(hub: Hub, branch: string): number {
  const files = [...hub.repository(MISTRAL_GPTQ).commitOf(branch).files.values()];
  return files.reduce((sum, { content }) => sum + content.size, 0);
}

function isFileRequest(kind: string): boolean {
  return kind === 'resolve' || kind === 'cdn';
}

process.exitCode = await main();
