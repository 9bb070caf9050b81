import { describe, expect, test } from 'vitest';
import {
  maxIoWorkers,
  WorkerAssignment,
} from '../../../../src/transfer/transport/worker/worker-assignment.ts';

const full = () => true;
const idle = () => false;
const begin = (
  assignment: WorkerAssignment,
  file: string,
  jobs: number,
  isFull: (worker: number) => boolean,
) => Array.from({ length: jobs }, () => assignment.begin(file, isFull));

test.each([
  [1, 1],
  [2, 1],
  [3, 2],
  [6, 2],
  [8, 3],
  [16, 7],
  [64, 8],
])('%i processors: at most %i I/O workers', (processors, workers) => {
  expect(maxIoWorkers(processors)).toBe(workers);
});

describe('a worker with time left', () => {
  test('takes every job of every file', () => {
    const assignment = new WorkerAssignment(8);
    for (const file of ['a', 'b', 'c'])
      expect(new Set(begin(assignment, file, 16, idle))).toEqual(new Set([0]));
    expect(assignment.count).toBe(1);
  });
});

describe('full workers', () => {
  test('a new file gets a new worker as long as there may be more, then the least loaded', () => {
    const assignment = new WorkerAssignment(3);
    expect(begin(assignment, 'a', 3, (worker) => worker > 0)).toEqual([0, 0, 0]);
    expect(assignment.begin('b', full)).toBe(1);
    expect(assignment.begin('c', full)).toBe(2);
    expect(assignment.begin('d', full)).toBe(1);
    expect(assignment.count).toBe(3);
  });

  test('a file alone uses two workers, and never a third', () => {
    const assignment = new WorkerAssignment(8);
    const workers = begin(assignment, 'a', 32, full);
    expect(workers.filter((worker) => worker === 0)).toHaveLength(16);
    expect(workers.filter((worker) => worker === 1)).toHaveLength(16);
    expect(assignment.count).toBe(2);
  });

  test('one of several files moves to a new worker with all its later jobs', () => {
    const assignment = new WorkerAssignment(8);
    for (const file of ['a', 'b', 'c', 'd']) begin(assignment, file, 8, idle);
    expect(begin(assignment, 'a', 2, (worker) => worker === 0)).toEqual([1, 1]);
    // Its earlier jobs end where they are.
    for (let job = 0; job < 8; job += 1) assignment.end('a', 0);
    expect(begin(assignment, 'a', 6, (worker) => worker === 0)).toEqual([1, 1, 1, 1, 1, 1]);
    expect(begin(assignment, 'b', 1, (worker) => worker === 0)).toEqual([1]);
    // Both carry the same by now: to help the full one takes a third.
    expect(begin(assignment, 'c', 1, (worker) => worker === 0)).toEqual([2]);
    // What is alone there now uses one that has time left.
    for (let job = 0; job < 8; job += 1) assignment.end('c', 0);
    expect(begin(assignment, 'd', 2, (worker) => worker === 0)).toEqual([2, 2]);
    expect(assignment.count).toBe(3);
  });

  test('a file does not move on before its jobs have ended where it was', () => {
    const assignment = new WorkerAssignment(8);
    for (const file of ['a', 'b']) begin(assignment, file, 8, idle);
    expect(assignment.begin('a', full)).toBe(1);
    expect(begin(assignment, 'c', 1, full)).toEqual([2]);
    expect(begin(assignment, 'a', 8, full)).toEqual([1, 1, 1, 1, 1, 1, 1, 1]);
  });

  test('with one worker only, that takes all', () => {
    const assignment = new WorkerAssignment(1);
    for (const file of ['a', 'b', 'c']) expect(begin(assignment, file, 2, full)).toEqual([0, 0]);
  });
});

test('a file whose jobs have all ended begins anew with the least loaded worker', () => {
  const assignment = new WorkerAssignment(2);
  begin(assignment, 'a', 4, idle);
  expect(assignment.begin('b', full)).toBe(1);
  assignment.end('b', 1);
  // Unknown by now.
  assignment.end('b', 1);
  expect(assignment.begin('b', idle)).toBe(1);
});

test('never more than two workers write to one file, whatever comes', () => {
  const workers = 5;
  let seed = 7;
  const random = (below: number) => {
    seed = (seed * 1103515245 + 12345) % 2 ** 31;
    return Math.floor((seed / 2 ** 31) * below);
  };
  const assignment = new WorkerAssignment(workers);
  const files = Array.from({ length: 6 }, (_, index) => ({ name: `file-${index}`, on: [] as number[] }));
  for (let step = 0; step < 20_000; step += 1) {
    const file = files[random(files.length)]!;
    if (random(2) === 0) {
      file.on.push(assignment.begin(file.name, () => random(3) > 0));
    } else {
      const [ended] = file.on.splice(random(file.on.length), 1);
      if (ended !== undefined) assignment.end(file.name, ended);
    }
    expect(new Set(file.on).size).toBeLessThanOrEqual(2);
    expect(assignment.count).toBeLessThanOrEqual(workers);
  }
});
