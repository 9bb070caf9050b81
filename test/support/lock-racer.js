// A thread that takes a lock at the same moment as others. Plain JavaScript: it runs without a compiler.
import { parentPort, workerData } from 'node:worker_threads';

const { lockModule, path, number, count, rounds, shared } = workerData;
const { DirectoryLock } = await import(lockModule);
const arrived = new Int32Array(shared);

/** Waits until all threads have come to this point `round` times. */
function meet(place, round) {
  Atomics.add(arrived, place, 1);
  Atomics.notify(arrived, place);
  for (let seen = Atomics.load(arrived, place); seen < round * count; seen = Atomics.load(arrived, place)) {
    Atomics.wait(arrived, place, seen, 5000);
  }
}

const owner = (pid) => ({ pid, host: 'here', startedAt: `start ${pid}` });
const clock = { now: Date.now, monotonic: Date.now, after: () => () => {}, sleep: async () => {} };

for (let round = 1; round <= rounds; round += 1) {
  if (number === 0) parentPort.postMessage({ prepare: round });
  await new Promise((resolve) => parentPort.once('message', resolve));
  let met = false;
  let lock;
  try {
    lock = await DirectoryLock.take(path, {
      owner: owner(100 + number),
      // Called after the lock was read: no racer continues before all have seen the same stale one.
      processStart: (pid) => {
        if (!met) meet(0, round);
        met = true;
        return pid >= 100 ? `start ${pid}` : undefined;
      },
      clock,
      random: Math.random,
    });
  } catch (error) {
    if (error.code !== 'LOCKED') throw error;
  }
  parentPort.postMessage({ round, won: lock !== undefined });
  await new Promise((resolve) => parentPort.once('message', resolve));
  await lock?.[Symbol.asyncDispose]();
  meet(1, round);
}
