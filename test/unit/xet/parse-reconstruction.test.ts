import { describe, expect, test } from 'vitest';
import {
  type AskedReconstruction,
  MalformedReconstruction,
  parseReconstruction,
} from '../../../src/source/hub/xet/parse-reconstruction.ts';
import { RECONSTRUCTION_LIES, reconstructionLie } from '../../support/xet/lies.ts';

const [ONE, TWO] = ['1'.repeat(64), '2'.repeat(64)];
const ADDRESS = 'https://storage.example/xorbs/default/1?Signature=x';

/** Two terms of one xorb, and one of another between them; the middle of a file. */
const TERMS = [
  { hash: ONE, range: { start: 0, end: 2 }, unpacked_length: 100_000 },
  { hash: TWO, range: { start: 5, end: 6 }, unpacked_length: 50_000 },
  { hash: ONE, range: { start: 4, end: 5 }, unpacked_length: 60_000 },
];
const SECOND = {
  offset_into_first_range: 1000,
  terms: TERMS,
  xorbs: {
    [ONE]: [
      {
        url: ADDRESS,
        ranges: [
          { chunks: { start: 0, end: 2 }, bytes: { start: 0, end: 89_999 } },
          { chunks: { start: 4, end: 5 }, bytes: { start: 120_000, end: 159_999 } },
        ],
      },
    ],
    [TWO]: [
      { url: ADDRESS, ranges: [{ chunks: { start: 5, end: 7 }, bytes: { start: 200_000, end: 289_999 } }] },
    ],
  },
};
const FIRST = {
  offset_into_first_range: 1000,
  terms: TERMS,
  fetch_info: {
    [ONE]: [
      { url: ADDRESS, range: { start: 0, end: 2 }, url_range: { start: 0, end: 89_999 } },
      { url: ADDRESS, range: { start: 4, end: 5 }, url_range: { start: 120_000, end: 159_999 } },
    ],
    [TWO]: [{ url: ADDRESS, range: { start: 5, end: 7 }, url_range: { start: 200_000, end: 289_999 } }],
  },
};

const ASKED: AskedReconstruction = {
  range: { start: 1_001_000, end: 1_200_000 },
  fileSize: 5_000_000,
  version: 2,
  plainHttp: false,
};
/** Both forms, of the end of a file: there the sum is exact. */
const FORMS = [
  ['version 1', FIRST, { ...ASKED, version: 1 }],
  ['version 2', SECOND, ASKED],
] as const;

describe('a reconstruction', () => {
  test('may name a chunk behind the 8192 that a xorb of today has at most', () => {
    const json = structuredClone(SECOND);
    const [fetch] = json.xorbs[TWO]![0]!.ranges;
    fetch!.chunks = { start: 100_005, end: 100_007 };
    json.terms[1]!.range = { start: 100_005, end: 100_006 };
    expect(parseReconstruction(json, ASKED).terms[1]).toMatchObject({ start: 100_005, end: 100_006 });
    fetch!.bytes = { start: 200_000_000, end: 200_089_999 };
    expect(() => parseReconstruction(json, ASKED)).toThrow('bytes 200000000-200090000');
  });

  test.each(FORMS)('of %s', (_name, json, asked) => {
    const location = parseReconstruction(json, { ...asked, range: { start: 1_001_000, end: 1_210_000 } });
    expect(location).toEqual({
      kind: 'xet',
      range: { start: 1_001_000, end: 1_210_000 },
      skip: 1000,
      terms: [
        { xorb: ONE, start: 0, end: 2, length: 100_000 },
        { xorb: TWO, start: 5, end: 6, length: 50_000 },
        { xorb: ONE, start: 4, end: 5, length: 60_000 },
      ],
      fetches: [
        { xorb: ONE, start: 0, end: 2, bytes: { start: 0, end: 90_000 }, url: ADDRESS },
        { xorb: TWO, start: 5, end: 7, bytes: { start: 200_000, end: 290_000 }, url: ADDRESS },
        { xorb: ONE, start: 4, end: 5, bytes: { start: 120_000, end: 160_000 }, url: ADDRESS },
      ],
    } satisfies ReturnType<typeof parseReconstruction> | object);
  });

  test('several terms may be in one fetch, and fetches that nothing needs are left out', () => {
    const json = structuredClone(SECOND);
    json.terms = [TERMS[0]!, TERMS[0]!];
    const { fetches } = parseReconstruction(json, { ...ASKED, range: { start: 1_001_000, end: 1_200_000 } });
    expect(fetches.map(({ xorb, start }) => [xorb, start])).toEqual([[ONE, 0]]);
  });

  test.each([
    ['a longer range than the terms have', { range: { start: 1_001_000, end: 1_210_001 } }],
    ['a range that does not need the last term', { range: { start: 1_001_000, end: 1_150_000 } }],
    [
      'the end of the file, which the terms go beyond',
      { fileSize: 1_209_999, range: { start: 1_001_000, end: 1_209_999 } },
    ],
  ])('for %s', (_name, asked) => {
    expect(() => parseReconstruction(SECOND, { ...ASKED, ...asked })).toThrow(MalformedReconstruction);
  });

  test('with an address over an open line is taken from a store that is spoken to so', () => {
    const json = JSON.parse(JSON.stringify(SECOND).replaceAll('https:', 'http:')) as object;
    expect(() => parseReconstruction(json, ASKED)).toThrow(MalformedReconstruction);
    expect(parseReconstruction(json, { ...ASKED, plainHttp: true }).fetches).toHaveLength(3);
  });

  test.each(FORMS)(
    'of %s may list a range twice, each time with an address of its own',
    (_name, json, asked) => {
      const twice = structuredClone(json) as unknown as typeof SECOND & typeof FIRST;
      const form: Record<string, object[]> = asked.version === 1 ? twice.fetch_info : twice.xorbs;
      form[ONE]!.push(...form[ONE]!.map((entry) => ({ ...entry, url: `${ADDRESS}&again=1` })));
      const { fetches } = parseReconstruction(twice, {
        ...asked,
        range: { start: 1_001_000, end: 1_210_000 },
      });
      expect(fetches.map(({ xorb, start, url }) => [xorb, start, url])).toEqual([
        [ONE, 0, ADDRESS],
        [TWO, 5, ADDRESS],
        [ONE, 4, ADDRESS],
      ]);
    },
  );

  test('with the same chunks in other bytes', () => {
    const json = structuredClone(SECOND);
    json.xorbs[ONE]!.push({
      url: ADDRESS,
      ranges: [{ chunks: { start: 0, end: 2 }, bytes: { start: 0, end: 89_998 } }],
    });
    expect(() => parseReconstruction(json, ASKED)).toThrow(MalformedReconstruction);
  });

  test('with ranges of a xorb that overlap', () => {
    const json = structuredClone(SECOND);
    json.xorbs[ONE]![0]!.ranges[0]!.chunks.end = 5;
    expect(() => parseReconstruction(json, ASKED)).toThrow(MalformedReconstruction);
  });
});

/** Those that only the chunks themselves, or the root of their hashes, betray. */
const UNSEEN = new Set([
  'terms change places',
  'a term is one byte longer',
  'a term is one byte shorter',
  'an offset inside the first term',
  'ranges of other chunks',
  'ranges of other bytes',
  'ranges of too many bytes',
]);

describe('lies', () => {
  const whole = { ...ASKED, range: { start: 1_001_000, end: 1_210_000 }, fileSize: 1_210_000 };

  test.each(RECONSTRUCTION_LIES.filter((lie) => lie !== 'not JSON' && lie !== 'nothing'))('%s', (lie) => {
    const effect = reconstructionLie(lie);
    if (effect.kind !== 'rewrite') throw new Error('the lie is no change of the answer');
    for (const [, json, asked] of FORMS) {
      const changed: unknown = JSON.parse(effect.change(Buffer.from(JSON.stringify(json))).toString());
      const parse = () => parseReconstruction(changed, { ...whole, version: asked.version });
      if (UNSEEN.has(lie)) {
        try {
          parse();
        } catch (error) {
          expect(error).toBeInstanceOf(MalformedReconstruction);
        }
      } else expect(parse).toThrow(MalformedReconstruction);
    }
  });
});
