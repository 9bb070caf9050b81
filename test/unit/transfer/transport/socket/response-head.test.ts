import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type HeadProgress, ResponseHeadParser } from '../../../../../src/http/head-parser.ts';
import { keepsAlive, rangeProblem } from '../../../../../src/transfer/transport/socket/response-head.ts';
import { cpuMs } from '../../../../support/machine.ts';

const PLAIN =
  'HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 5-9/100\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\n';

/** Feeds chunks until the parser has decided; `used` counts the bytes it was given by then. */
function feed(chunks: readonly Buffer[]): { end: HeadProgress; used: number; bodyAt: number } {
  const parser = new ResponseHeadParser();
  let used = 0;
  for (const chunk of chunks) {
    const end = parser.push(chunk);
    if (end.kind !== 'more')
      return { end, used: used + chunk.length, bodyAt: end.kind === 'head' ? used + end.bodyStart : -1 };
    used += chunk.length;
  }
  return { end: { kind: 'more' }, used, bodyAt: -1 };
}

const whole = (text: string) => feed([Buffer.from(text, 'latin1')]);

function cut(bytes: Buffer, sizes: readonly number[]): Buffer[] {
  const pieces: Buffer[] = [];
  let at = 0;
  for (const size of sizes) {
    pieces.push(bytes.subarray(at, at + size));
    at += size;
  }
  return [...pieces, bytes.subarray(at)];
}

const token = fc.stringMatching(/^[a-z][a-z-]{0,11}$/).map((name) => `x-${name}`);
const value = fc.stringMatching(/^[!-~]([ -~]{0,30}[!-~])?$/);
const header = fc.tuple(token, fc.constantFrom('', ' ', '\t', '  '), value, fc.constantFrom('', ' ', '\t '));
const pieces = fc.array(fc.integer({ min: 1, max: 40 }), { maxLength: 60 });

describe('a head', () => {
  test('is read, and the body begins behind it', () => {
    const { end, bodyAt } = whole(`${PLAIN}hello`);
    expect(end).toMatchObject({ kind: 'head', head: { status: 206 } });
    expect(bodyAt).toBe(PLAIN.length);
    if (end.kind !== 'head') throw new Error('no head');
    expect(rangeProblem(end.head, 5, 10, 100)).toBeUndefined();
    expect(keepsAlive(end.head)).toBe(true);
  });

  test('is the same however it is cut into chunks', () => {
    fc.assert(
      fc.property(
        fc.array(header, { maxLength: 20 }),
        fc.uint8Array({ maxLength: 60 }),
        pieces,
        (headers, body, sizes) => {
          const lines = headers.map(([name, before, text, after]) => `${name}:${before}${text}${after}`);
          const head = ['HTTP/1.1 206 OK', ...lines, '', ''].join('\r\n');
          const bytes = Buffer.concat([Buffer.from(head, 'latin1'), body]);
          const { end, bodyAt } = feed(cut(bytes, sizes));
          expect(bodyAt).toBe(head.length);
          if (end.kind !== 'head') throw new Error('no head');
          const expected = new Map<string, string>();
          for (const [name, , text] of headers) {
            const before = expected.get(name);
            expected.set(name, before === undefined ? text : `${before}, ${text}`);
          }
          expect(end.head).toEqual({ status: 206, headers: expected });
        },
      ),
    );
  });

  test.each([
    ['HTTP/1.0', 'HTTP/1.0 206 OK\r\n\r\n'],
    ['HTTP/2', 'HTTP/2 206\r\n\r\n'],
    ['no number', 'HTTP/1.1 2x6 OK\r\n\r\n'],
    ['four digits', 'HTTP/1.1 2066 OK\r\n\r\n'],
    ['a status that is none', 'HTTP/1.1 600 OK\r\n\r\n'],
    ['a line feed alone', 'HTTP/1.1 206 OK\nA: b\r\n\r\n'],
    ['a folded line', 'HTTP/1.1 206 OK\r\nA: b\r\n c\r\n\r\n'],
    ['a space before the colon', 'HTTP/1.1 206 OK\r\nContent-Length : 5\r\n\r\n'],
    ['no colon', 'HTTP/1.1 206 OK\r\nnonsense\r\n\r\n'],
    ['no name', 'HTTP/1.1 206 OK\r\n: b\r\n\r\n'],
    ['a control character', 'HTTP/1.1 206 OK\r\nA: \x00\r\n\r\n'],
    ['a return alone', 'HTTP/1.1 206 OK\r\nA: b\rC: d\r\n\r\n'],
    ['two lengths', 'HTTP/1.1 206 OK\r\nContent-Length: 5\r\ncontent-length: 5\r\n\r\n'],
    ['two ranges', 'HTTP/1.1 206 OK\r\nContent-Range: a\r\nContent-Range: b\r\n\r\n'],
    ['too many headers', `HTTP/1.1 206 OK\r\n${'A: b\r\n'.repeat(201)}\r\n`],
    ['more than 32 KiB', `HTTP/1.1 206 OK\r\nA: ${'b'.repeat(33_000)}\r\n\r\n`],
  ])('with %s is unsupported', (_, text) => {
    expect(whole(text).end.kind).toBe('unsupported');
    expect(feed(cut(Buffer.from(text, 'latin1'), Array(40).fill(1000))).end.kind).toBe('unsupported');
  });

  test('of something that is not HTTP is unsupported at its first byte', () => {
    expect(whole('SSH-2.0').end.kind).toBe('unsupported');
    expect(whole('\r\n').end.kind).toBe('unsupported');
    expect(whole('H').end.kind).toBe('more');
    expect(whole('HTTP/1.1 ').end.kind).toBe('more');
  });

  test('without end is given up after 32 KiB, one byte at a time too', () => {
    const endless = Buffer.alloc(100_000, 'a');
    endless.write('HTTP/1.1 206 OK\r\nA: ', 'latin1');
    const began = cpuMs();
    const { end, used } = feed(Array.from(endless, (_, index) => endless.subarray(index, index + 1)));
    expect(end.kind).toBe('unsupported');
    expect(used).toBe(32 * 1024);
    expect(cpuMs() - began).toBeLessThan(1000);
  });

  test('made to be slow is not', () => {
    for (const blank of [' ', '\t', ',', 'a:', ' close']) {
      const text = `HTTP/1.1 206 OK\r\nConnection: ${blank.repeat(Math.floor(30_000 / blank.length))}`;
      const began = cpuMs();
      const good = whole(`${text}x\r\n\r\n`).end;
      if (good.kind === 'head') keepsAlive(good.head);
      whole(`${text}\x01\r\n\r\n`);
      expect(cpuMs() - began).toBeLessThan(200);
    }
  });
});

describe('whatever comes', () => {
  const mutation = fc.record({
    at: fc.integer({ min: 0, max: PLAIN.length }),
    remove: fc.integer({ min: 0, max: 12 }),
    insert: fc.oneof(
      fc.uint8Array({ maxLength: 12 }),
      fc.constantFrom('\r\n', '\n', ': ', '206', '-', '/', '5').map((text) => Buffer.from(text)),
    ),
  });
  const mutated = fc.array(mutation, { minLength: 1, maxLength: 5 }).map((mutations) => {
    let bytes = Buffer.from(PLAIN, 'latin1');
    for (const { at, remove, insert } of mutations) {
      bytes = Buffer.concat([bytes.subarray(0, at), insert, bytes.subarray(at + remove)]);
    }
    return bytes;
  });

  test.each([
    ['mutations of a good head', mutated],
    ['noise', fc.uint8Array({ maxLength: 400 }).map((bytes) => Buffer.from(bytes))],
  ] as const)('%s: the result does not depend on the chunks, and no wrong range is accepted', (_, input) => {
    fc.assert(
      fc.property(input, pieces, (bytes, sizes) => {
        const one = feed([bytes]);
        const many = feed(cut(bytes, sizes));
        expect(many.end.kind).toBe(one.end.kind);
        expect(many.bodyAt).toBe(one.bodyAt);
        if (one.end.kind !== 'head' || many.end.kind !== 'head') return;
        expect(many.end.head).toEqual(one.end.head);
        if (one.end.head.status !== 206 || rangeProblem(one.end.head, 5, 10, 100) !== undefined) return;
        // Accepted: then it says, once and in these words, what was asked for.
        const text = bytes.toString('latin1', 0, one.bodyAt).toLowerCase();
        expect(text.match(/content-range:[\t ]*bytes 5-9\/100[\t ]*\r\n/g)).toHaveLength(1);
        expect(text.match(/content-length:[\t ]*5[\t ]*\r\n/g)).toHaveLength(1);
        expect(text).not.toMatch(/\r\ntransfer-encoding:/);
      }),
      { numRuns: 2000 },
    );
  });
});

describe('a range', () => {
  const headWith = (headers: Record<string, string>) => ({
    status: 206,
    headers: new Map(Object.entries(headers)),
  });

  test.each([
    [{}, 'another Content-Range'],
    [{ 'content-range': 'bytes 5-9/100' }, 'another Content-Length'],
    [{ 'content-range': 'bytes 5-9/100', 'content-length': '05' }, 'another Content-Length'],
    [{ 'content-range': 'bytes 5-9/100', 'content-length': '5, 5' }, 'another Content-Length'],
    [{ 'content-range': 'bytes 5-8/100', 'content-length': '4' }, 'another Content-Range'],
    [{ 'content-range': 'bytes 5-9/*', 'content-length': '5' }, 'another Content-Range'],
    [{ 'transfer-encoding': 'chunked' }, 'a transfer coding'],
    [{ 'content-encoding': 'gzip' }, 'a content coding'],
  ])('that is not exactly what was asked for is named: %j', (headers, problem) => {
    expect(rangeProblem(headWith(headers as Record<string, string>), 5, 10, 100)).toBe(problem);
  });

  test.each([
    ['keep-alive', true],
    ['close', false],
    ['Close', false],
    ['upgrade, close', false],
    ['closed', true],
  ])('leaves the connection as "Connection: %s" says', (connection, kept) => {
    expect(keepsAlive(headWith({ connection }))).toBe(kept);
  });
});
