import { readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { expect, onTestFinished, test } from 'vitest';
import { compiled } from '../../support/compiled.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

const COUNT = 6;
const ROUNDS = 40;

interface Message {
  readonly prepare?: number;
  readonly won?: boolean;
}

test('of threads that all have seen the same stale lock exactly one gets it', async () => {
  const path = join(temporaryDirectory(), 'lock');
  const lockModule = new URL('store/directory-lock.js', compiled()).href;
  const shared = new SharedArrayBuffer(8);
  const workers = Array.from({ length: COUNT }, (_, number) => {
    const workerData = { lockModule, path, number, count: COUNT, rounds: ROUNDS, shared };
    return new Worker(new URL('../../support/lock-racer.js', import.meta.url), { workerData });
  });
  onTestFinished(async () => {
    await Promise.all(workers.map((worker) => worker.terminate()));
  });
  const winners: number[] = [];
  let answers: boolean[] = [];
  const all = (message: string) => {
    for (const worker of workers) worker.postMessage(message);
  };
  await Promise.all(
    workers.map(
      (worker) =>
        new Promise<void>((resolve, reject) => {
          worker.on('error', reject);
          worker.on('exit', () => resolve());
          worker.on('message', ({ prepare, won }: Message) => {
            if (prepare !== undefined) {
              writeFileSync(path, `{"pid":3,"host":"here","startedAt":"start 3","round":${prepare}}`);
              all('go');
            }
            if (won === undefined) return;
            answers.push(won);
            if (answers.length < COUNT) return;
            winners.push(answers.filter(Boolean).length);
            answers = [];
            all('release');
          });
        }),
    ),
  );
  expect(winners).toEqual(Array.from({ length: ROUNDS }, () => 1));
  expect(readdirSync(dirname(path))).toEqual([]);
});
