import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Measured, measure } from '../../bench/measure.ts';

let scratch: string;

beforeEach(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'measure-'));
});

afterEach(() => rm(scratch, { recursive: true }));

const env = { PATH: process.env['PATH'] ?? '' };

function node(program: string, during?: (kill: () => void) => void): Promise<Measured> {
  return measure({ argv: [process.execPath, '-e', program], env }, scratch, during);
}

describe.skipIf(!existsSync('/proc/self/status') || !existsSync('/bin/bash'))('measure', { retry: 2 }, () => {
  test('waiting takes time and no CPU', async () => {
    const { wallMs, cpuMs, exit } = await measure({ argv: ['sleep', '0.3'], env }, scratch);
    expect(wallMs).toBeGreaterThan(300);
    expect(cpuMs).toBeLessThan(100);
    expect(exit).toBe(0);
  });

  test('counts what children and their children do', async () => {
    const busy =
      'const cpu = () => process.cpuUsage().user + process.cpuUsage().system; const end = cpu() + 3e5; while (cpu() < end);';
    const program = `require('node:child_process').execFileSync(process.execPath, ['-e', ${JSON.stringify(busy)}])`;
    const { cpuMs } = await node(program);
    expect(cpuMs).toBeGreaterThan(300);
    expect(cpuMs).toBeLessThan(900);
  });

  test('sees the highest memory of the tree', async () => {
    const { peakBytes } = await node('const all = Buffer.alloc(200e6, 1); setTimeout(() => all, 200)');
    expect(peakBytes).toBeGreaterThan(230e6);
    expect(peakBytes).toBeLessThan(350e6);
  });

  test('tells the exit code and the last words', async () => {
    const { exit, output } = await node('console.error("oh no"); process.exitCode = 7');
    expect([exit, output]).toEqual([7, 'oh no\n']);
  });

  test('kills in the middle and still counts', async () => {
    const { exit, wallMs, cpuMs } = await node('for (;;);', (kill) => setTimeout(kill, 1000));
    expect(exit).toBe(137);
    expect(wallMs).toBeGreaterThan(900);
    expect(cpuMs).toBeGreaterThan(50);
  });
});
