import type { Effect } from '../hub/faults/effect.ts';
import { HEADER_BYTES } from './xorb.ts';

interface Range {
  start: number;
  end: number;
}

interface Answer {
  offset_into_first_range: number;
  terms: { hash: string; unpacked_length: number; range: Range }[];
  /** v2. */
  xorbs?: Record<string, { url: string; ranges: { chunks: Range; bytes: Range }[] }[]>;
  /** v1. */
  fetch_info?: Record<string, { url: string; range: Range; url_range: Range }[]>;
}

const HUGE = 2 ** 53;

/** Changes of an answer that make it untrue; each of them is still JSON of the right form unless its name says more. */
const LIES: Readonly<Record<string, (answer: Answer) => void>> = {
  'a term is missing': ({ terms }) => void terms.pop(),
  'a term too many': ({ terms }) => void terms.push(structuredClone(terms[0]!)),
  'no terms': ({ terms }) => void terms.splice(0),
  'terms change places': ({ terms }) => void terms.reverse(),
  'a term is one byte longer': ({ terms }) => {
    terms[0]!.unpacked_length += 1;
  },
  'a term is one byte shorter': ({ terms }) => {
    terms[0]!.unpacked_length -= 1;
  },
  'a term is huge': ({ terms }) => {
    terms[0]!.unpacked_length = HUGE;
  },
  'a term of negative length': ({ terms }) => {
    terms[0]!.unpacked_length = -1;
  },
  'a term without chunks': ({ terms }) => {
    terms[0]!.range.end = terms[0]!.range.start;
  },
  'a term that ends before it starts': ({ terms: [first] }) =>
    void Object.assign(first!.range, { start: first!.range.end, end: first!.range.start }),
  'a term of chunks that no range covers': ({ terms: [first] }) => {
    first!.range.end += 100_000;
  },
  'a term with a broken hash': ({ terms }) => {
    terms[0]!.hash = '../../../etc/passwd';
  },
  'a term of an unknown xorb': ({ terms }) => {
    terms[0]!.hash = 'ab'.repeat(32);
  },
  'an offset inside the first term': (answer) => {
    answer.offset_into_first_range += 1;
  },
  'a huge offset': (answer) => {
    answer.offset_into_first_range = HUGE;
  },
  'a negative offset': (answer) => {
    answer.offset_into_first_range = -1;
  },
  'a xorb without an address': (answer) => {
    const entries = answer.xorbs ?? answer.fetch_info ?? {};
    delete entries[Object.keys(entries)[0] ?? ''];
  },
  'ranges of other chunks': (answer) => eachChunks(answer, (range) => shift(range, 1)),
  'ranges of fewer chunks': (answer) =>
    eachChunks(answer, (range) => {
      range.end -= 1;
    }),
  'ranges of huge numbers of chunks': (answer) =>
    eachChunks(answer, (range) => {
      range.end = HUGE;
    }),
  'ranges of other bytes': (answer) => eachBytes(answer, (range) => shift(range, 1)),
  'ranges of too many bytes': (answer) =>
    eachBytes(answer, (range) => {
      range.end += 1;
    }),
  'ranges of huge numbers of bytes': (answer) =>
    eachBytes(answer, (range) => {
      range.end = HUGE;
    }),
  'ranges that end before they start': (answer) =>
    eachBytes(answer, (range) => void Object.assign(range, { start: range.end, end: range.start })),
  'addresses that are files': (answer) => eachAddress(answer, () => 'file:///etc/passwd'),
  'addresses that are none': (answer) => eachAddress(answer, () => 'not an address'),
  'numbers that are texts': ({ terms }) => void Object.assign(terms[0]!, { unpacked_length: '17' }),
  'numbers with a fraction': ({ terms }) => {
    terms[0]!.unpacked_length += 0.5;
  },
};

export const RECONSTRUCTION_LIES: readonly string[] = [
  ...Object.keys(LIES),
  'a list',
  'a million terms',
  'not JSON',
  'nothing',
];

/** The effect that makes a store tell this lie. */
export function reconstructionLie(lie: string): Effect {
  return { kind: 'rewrite', change: (body) => Buffer.from(lied(lie, body.toString('utf8'))) };
}

function lied(lie: string, text: string): string {
  if (lie === 'not JSON') return '<!DOCTYPE html><title>Sign in to the network</title>';
  if (lie === 'nothing') return '';
  if (lie === 'a list') return `[${text}]`;
  const answer = JSON.parse(text) as Answer;
  if (lie === 'a million terms') {
    const [first] = answer.terms;
    const term = JSON.stringify({ ...first!, unpacked_length: 1 });
    // Not as values: this process has other answers to give meanwhile.
    const rest = JSON.stringify({ ...answer, terms: undefined });
    return `{"terms":[${`${term},`.repeat(999_999)}${term}],${rest.slice(1)}`;
  }
  named(LIES, lie)(answer);
  return JSON.stringify(answer);
}

function eachChunks({ xorbs, fetch_info: entries }: Answer, change: (range: Range) => void): void {
  for (const { ranges } of Object.values(xorbs ?? {}).flat()) for (const { chunks } of ranges) change(chunks);
  for (const { range } of Object.values(entries ?? {}).flat()) change(range);
}

function eachBytes({ xorbs, fetch_info: entries }: Answer, change: (range: Range) => void): void {
  for (const { ranges } of Object.values(xorbs ?? {}).flat()) for (const { bytes } of ranges) change(bytes);
  for (const { url_range: range } of Object.values(entries ?? {}).flat()) change(range);
}

function eachAddress({ xorbs, fetch_info: entries }: Answer, change: (url: string) => string): void {
  for (const entry of Object.values(xorbs ?? {}).flat()) entry.url = change(entry.url);
  for (const entry of Object.values(entries ?? {}).flat()) entry.url = change(entry.url);
}

function shift(range: Range, by: number): void {
  range.start += by;
  range.end += by;
}

/** Changes of the first chunk of an answer with bytes of a xorb; a length is the one that the header names. */
const CHUNKS: Readonly<Record<string, (body: Buffer) => void>> = {
  'another version': (body) => {
    body[0] = 1;
  },
  'an unknown scheme': (body) => {
    body[4] = 9;
  },
  'a footer': (body) => void body.write('XETBLOB', 'latin1'),
  'a longer payload than there is': (body) => void body.writeUIntLE(0xffffff, 1, 3),
  'a payload of no bytes': (body) => void body.writeUIntLE(0, 1, 3),
  'a payload that is one byte shorter': (body) => void body.writeUIntLE(body.readUIntLE(1, 3) - 1, 1, 3),
  'a chunk above the limit': (body) => void body.writeUIntLE(0xffffff, 5, 3),
  'a chunk of no bytes': (body) => void body.writeUIntLE(0, 5, 3),
  'a chunk that is one byte longer': (body) => void body.writeUIntLE(body.readUIntLE(5, 3) + 1, 5, 3),
  'a chunk that is one byte shorter': (body) => void body.writeUIntLE(body.readUIntLE(5, 3) - 1, 5, 3),
  'a broken payload': (body) => void body.fill(0xff, HEADER_BYTES, HEADER_BYTES + 64),
};

export const CHUNK_LIES: readonly string[] = Object.keys(CHUNKS);

/** The effect that makes a store send such a chunk. */
export function chunkLie(lie: string): Effect {
  return {
    kind: 'rewrite',
    change: (body) => {
      const changed = Buffer.from(body);
      if (changed.length >= HEADER_BYTES) named(CHUNKS, lie)(changed);
      return changed;
    },
  };
}

function named<T>(lies: Readonly<Record<string, T>>, name: string): T {
  const lie = lies[name];
  if (lie === undefined) throw new Error(`no lie is called ${name}`);
  return lie;
}
