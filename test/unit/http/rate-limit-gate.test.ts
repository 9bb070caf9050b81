import { describe, expect, test } from 'vitest';
import { RateLimitGate } from '../../../src/http/rate-limit-gate.ts';
import { ManualClock } from '../../support/manual-clock.ts';

function setUp() {
  const clock = new ManualClock();
  const holds: [string, number][] = [];
  const gate = new RateLimitGate(clock, (bucket, delay) => holds.push([bucket, delay]));
  const { signal } = new AbortController();
  const passed: string[] = [];
  const pass = (name: string, bucket = 'api') => gate.pass(bucket, signal).then(() => passed.push(name));
  return { clock, holds, gate, passed, pass };
}

describe('the gate', () => {
  test('is open at first, and after answers that leave something', async () => {
    const { clock, gate, pass, passed, holds } = setUp();
    gate.observe('api', 200, { ratelimit: '"api";r=1;t=300' });
    gate.observe('api', 200, {});
    gate.observe('api', 500, { 'retry-after': '60' });
    gate.observe('api', 429, {});
    gate.observe('api', 429, { 'retry-after': '0' });
    const all = [pass('one'), pass('two')];
    await clock.advance(0);
    expect(passed).toEqual(['one', 'two']);
    expect(holds).toEqual([]);
    await Promise.all(all);
  });

  test.each([
    ['the last request that was allowed', 200, { ratelimit: '"api";r=0;t=30' }, 31_000],
    ['a refusal with seconds', 429, { 'retry-after': '30' }, 30_000],
    ['a refusal with a bucket', 429, { ratelimit: '"api";r=0;t=30' }, 31_000],
    ['a refusal with a date', 429, { 'retry-after': 'Thu, 01 Jan 2026 00:00:30 GMT' }, 30_000],
  ])('closes for all connections after %s', async (_, status, headers, wait) => {
    const { clock, gate, pass, passed, holds } = setUp();
    gate.observe('api', status, headers);
    const all = [pass('one'), pass('two')];
    await clock.advance(wait - 1);
    expect(passed).toEqual([]);
    await clock.advance(1);
    expect(passed).toEqual(['one', 'two']);
    expect(holds).toEqual([['api', wait]]);
    await Promise.all(all);
  });

  test('knows its buckets apart', async () => {
    const { clock, gate, pass, passed } = setUp();
    gate.observe('resolvers', 200, { ratelimit: '"resolvers";r=0;t=30' });
    await Promise.all([pass('one', 'api')]);
    void pass('two', 'resolvers');
    await clock.advance(30_000);
    expect(passed).toEqual(['one']);
    await clock.advance(1000);
    expect(passed).toEqual(['one', 'two']);
  });

  test('keeps those waiting who were told before it closed for longer, and tells of that once', async () => {
    const { clock, gate, pass, passed, holds } = setUp();
    gate.observe('api', 429, { 'retry-after': '10' });
    void pass('one');
    await clock.advance(5000);
    gate.observe('api', 429, { 'retry-after': '20' });
    gate.observe('api', 429, { 'retry-after': '1' });
    await clock.advance(19_999);
    expect(passed).toEqual([]);
    await clock.advance(1);
    expect(passed).toEqual(['one']);
    expect(holds).toHaveLength(1);
  });

  test('cannot be closed for ever', async () => {
    const { clock, gate, pass, passed } = setUp();
    gate.observe('api', 429, { 'retry-after': '999999999' });
    void pass('one');
    await clock.advance(600_000);
    expect(passed).toEqual(['one']);
  });

  test('lets go of those who were told to stop', async () => {
    const { clock, gate } = setUp();
    gate.observe('api', 429, { 'retry-after': '10' });
    const controller = new AbortController();
    const waiting = gate.pass('api', controller.signal);
    controller.abort(new Error('stop'));
    await expect(waiting).rejects.toThrow('stop');
    expect(clock.timers).toBe(0);
  });
});

test('a server that serves on and always says "nothing left" does not hold requests for ever', async () => {
  const { clock, gate, pass, passed, holds } = setUp();
  const exhausted = { ratelimit: '"api";r=0;t=600' };
  for (let request = 0; request < 50; request += 1) {
    const passing = pass(String(request));
    await clock.advance(600_000);
    await passing;
    gate.observe('api', 200, exhausted);
  }
  expect(passed).toHaveLength(50);
  expect(holds).toEqual([
    ['api', 600_000],
    ['api', 600_000],
  ]);
  // Believed again after an answer that has something left, and whenever it refuses.
  gate.observe('api', 200, { ratelimit: '"api";r=5;t=600' });
  gate.observe('api', 200, exhausted);
  expect(holds).toHaveLength(3);
  await clock.advance(600_000);
  for (let refusal = 0; refusal < 5; refusal += 1) {
    gate.observe('api', 429, exhausted);
    await clock.advance(600_000);
  }
  expect(holds).toHaveLength(8);
});
