import { describe, expect, test } from 'vitest';
import { AdaptiveTransport } from '../../../../src/transfer/transport/adaptive-transport.ts';
import type { NodeHttpTransport } from '../../../../src/transfer/transport/node-http-transport.ts';
import { UnsupportedResponse } from '../../../../src/transfer/transport/socket/socket-exchange.ts';
import type { SocketTransport } from '../../../../src/transfer/transport/socket/socket-transport.ts';
import type { HttpJob } from '../../../../src/transfer/transport/transport.ts';
import { ManualClock } from '../../../support/manual-clock.ts';

/** Lets everything that can go on go on. */
async function settled(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

function job(url = 'http://host/file'): HttpJob {
  return {
    location: { kind: 'http', url, authorization: undefined, expiresAt: undefined, ranges: 'any' },
    path: 'file',
    fileSize: 100,
    window: { position: 0, end: 100 },
    descriptor: -1,
  };
}

/** Requests that both transports were given, and what the strict one makes of them. */
function setup(strict: () => Promise<void>, trustAll = false) {
  const asked = { raw: 0, core: 0 };
  const heads: (() => void)[] = [];
  const raw = {
    bring: () => {
      asked.raw += 1;
      return strict();
    },
  } as unknown as SocketTransport;
  const core = {
    bring: (_job: unknown, _observer: unknown, _signal: unknown, onHead?: () => void) => {
      asked.core += 1;
      if (onHead !== undefined) heads.push(onHead);
      return new Promise(() => {});
    },
  } as unknown as NodeHttpTransport;
  const clock = new ManualClock();
  const transport = new AdaptiveTransport(core, raw, { trustAll, clock, trace: () => {} });
  const bring = (url?: string) => {
    const observer = { wrote: () => {}, wholeFile: () => {}, movedTo: () => {} };
    transport.bring(job(url), observer, new AbortController().signal).catch(() => {});
  };
  return { asked, heads, clock, bring };
}

const unsupported = (lasting: boolean) => () =>
  Promise.reject(new UnsupportedResponse('unusual', { lasting }));

describe('a host without an earlier request', () => {
  test('is asked by every connection at once, strictly', async () => {
    const { asked, bring } = setup(() => new Promise(() => {}));
    for (let index = 0; index < 16; index += 1) bring();
    await settled();
    expect(asked).toEqual({ raw: 16, core: 0 });
  });

  test('and turns out to be unusual: one asks in the other way, and the others wait for what comes', async () => {
    const { asked, heads, bring } = setup(unsupported(true));
    for (let index = 0; index < 16; index += 1) bring();
    await settled();
    expect(asked).toEqual({ raw: 16, core: 1 });
    heads[0]!();
    await settled();
    expect(asked).toEqual({ raw: 16, core: 16 });
    bring();
    await settled();
    expect(asked).toEqual({ raw: 16, core: 17 });
    bring('http://other/file');
    await settled();
    expect(asked.raw).toBe(17);
  });

  test('and is unusual and silent: the others do not wait for long', async () => {
    const { asked, clock, bring } = setup(unsupported(true));
    bring();
    bring();
    await settled();
    expect(asked.core).toBe(1);
    await clock.advance(1000);
    await settled();
    expect(asked.core).toBe(2);
  });
});

test('one unsupported answer that says nothing of the host is requested again, and the next strictly', async () => {
  const { asked, bring } = setup(unsupported(false));
  bring();
  await settled();
  expect(asked).toEqual({ raw: 1, core: 1 });
  bring();
  await settled();
  expect(asked).toEqual({ raw: 2, core: 2 });
});
