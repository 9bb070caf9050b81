import { createServer, request } from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { compareWithTruth } from '../support/hub/compare.ts';
import { generated } from '../support/hub/content/content.ts';
import { type Hub, startHub } from '../support/hub/hub.ts';
import { lfsFile } from '../support/hub/repositories/file.ts';
import { Workspace } from '../support/run-program.ts';
import { serve, type TestServer } from '../support/server.ts';

const ID = 'tests/breaks';
const SIZE = 60 * 1024 * 1024 + 7;
const PLACE = 23_456_789;

let hub: Hub;

beforeAll(async () => {
  hub = await startHub({
    repositories: [{ id: ID, branches: { main: [lfsFile('model.bin', generated('breaks', SIZE))] } }],
    directAnswers: true,
  });
});

afterAll(() => hub.close());

/** The hub, behind a front that breaks connections at one byte of the file this many times. */
async function breaking(times: number): Promise<TestServer & { readonly broken: () => number }> {
  let broken = 0;
  const server = createServer((incoming, response) => {
    const { host: _, ...headers } = incoming.headers;
    const onward = request(
      `${hub.origin}${incoming.url}`,
      { headers, method: incoming.method! },
      (answer) => {
        const [, start = '', end = ''] =
          /bytes (\d+)-(\d+)/.exec(answer.headers['content-range'] ?? '') ?? [];
        response.writeHead(answer.statusCode!, answer.headers);
        const across = answer.statusCode === 206 && Number(start) <= PLACE && PLACE <= Number(end);
        if (!across || broken >= times) {
          answer.pipe(response);
          return;
        }
        let left = PLACE - Number(start);
        const cut = () => {
          broken += 1;
          answer.destroy();
          // What was written before has to go out: destroyed at once, nothing would come at all.
          setTimeout(() => response.destroy(), 20);
        };
        response.flushHeaders();
        if (left === 0) cut();
        else
          answer.on('data', (chunk: Buffer) => {
            if (left <= 0) return;
            response.write(chunk.subarray(0, left));
            left -= chunk.length;
            if (left <= 0) cut();
          });
      },
    );
    onward.on('error', () => response.destroy());
    response.on('close', () => onward.destroy());
    incoming.pipe(onward);
  });
  return Object.assign(await serve(server), { broken: () => broken });
}

describe.concurrent('five breaks at one byte of a file', () => {
  test.each([1, 8, 32])('are survived with --retries 6 and --connections %d', async (connections) => {
    await using front = await breaking(5);
    await using workspace = await Workspace.open({ endpoint: front.origin });
    const words = [ID, '--retries', '6', '--connections', String(connections), '--quiet'];
    const run = await workspace.run(words);
    expect(run.stderr).toBe('');
    expect(run.exit).toBe(0);
    expect(front.broken()).toBe(5);
    expect(await compareWithTruth(workspace.path('breaks'), await hub.truth(ID))).toEqual([]);
  });
});

test('a place that never comes ends the run after as many tries as were asked for', async () => {
  await using front = await breaking(Number.POSITIVE_INFINITY);
  await using workspace = await Workspace.open({ endpoint: front.origin });
  const run = await workspace.run([ID, '--retries', '3', '--connections', '8', '--quiet']);
  expect(run.exit).toBe(6);
  expect(run.stderr).toContain('gave up after 3 tries in a row without progress');
  // The first break came after bytes; and one more may have been asked for by the other transport.
  expect(front.broken()).toBeGreaterThanOrEqual(3);
});
