import { readdirSync, readFileSync } from 'node:fs';

/** A process and everything below it, as far as it still lives. Linux only. */
export function processTree(root: number): number[] {
  const found = [root];
  for (let at = 0; at < found.length; at += 1) {
    const pid = found[at]!;
    for (const task of tasks(pid)) {
      const children = read(`/proc/${pid}/task/${task}/children`).trim();
      if (children !== '') found.push(...children.split(' ').map(Number));
    }
  }
  return found;
}

/** Memory of a tree without its root: all of them together now, and the greatest that one of them ever had. */
export function memoryBelow(root: number): { together: number; highest: number } {
  let together = 0;
  let highest = 0;
  for (const pid of processTree(root).slice(1)) {
    const status = read(`/proc/${pid}/status`);
    together += kilobytes(status, 'VmRSS');
    highest = Math.max(highest, kilobytes(status, 'VmHWM'));
  }
  return { together, highest };
}

/** Milliseconds on a processor of the main thread of each process below the root; the busiest of them. */
export function mainThreadBelow(root: number): number {
  const times = processTree(root)
    .slice(1)
    .map((pid) => Number(read(`/proc/${pid}/task/${pid}/schedstat`).split(' ', 1)[0]) / 1e6);
  return Math.max(0, ...times);
}

function kilobytes(status: string, field: string): number {
  return Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1] ?? 0) * 1024;
}

function tasks(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/task`);
  } catch {
    return [];
  }
}

/** Processes end while one looks at them. */
function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
