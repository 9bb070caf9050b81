import { join } from 'node:path';
import { expect, test } from 'vitest';
import { expandHome, expandVariables } from '../../../src/system/expand-path.ts';
import { cacheHome, hubCache, hubHome, tokenFile } from '../../../src/system/hub-environment.ts';

/** As a shell writes a variable whose name ends where the brace does. */
const braced = (name: string) => `$\{${name}}`;

const at = (variables: Record<string, string>, home: string | undefined = '/h') => ({
  variables,
  home,
  join,
});

test.each([
  [{}, '/h/.cache/huggingface/hub', 'default'],
  [{ XDG_CACHE_HOME: '/x' }, '/x/huggingface/hub', 'XDG_CACHE_HOME'],
  [{ XDG_CACHE_HOME: '~/x', HF_HOME: '' }, '/h/x/huggingface/hub', 'XDG_CACHE_HOME'],
  [{ HF_HOME: '~/hf', XDG_CACHE_HOME: '/x' }, '/h/hf/hub', 'HF_HOME'],
  [{ HF_HOME: '$DATA/hf', DATA: '/data' }, '/data/hf/hub', 'HF_HOME'],
  [
    { HUGGINGFACE_HUB_CACHE: `${braced('DATA')}/c`, DATA: '/data', HF_HOME: '/hf' },
    '/data/c',
    'HUGGINGFACE_HUB_CACHE',
  ],
  [{ HF_HUB_CACHE: '$HOME/c', HOME: '/h', HUGGINGFACE_HUB_CACHE: '/other' }, '/h/c', 'HF_HUB_CACHE'],
  [{ HF_HUB_CACHE: '$UNSET/c' }, '$UNSET/c', 'HF_HUB_CACHE'],
])('the cache with %j is %s', (variables, path, origin) => {
  expect(hubCache(at(variables as Record<string, string>))).toEqual({ path, origin });
});

test('without a home there is no cache, unless a variable names one', () => {
  const nowhere = (variables: Record<string, string>) => ({ variables, home: undefined, join });
  expect(hubCache(nowhere({}))).toBeUndefined();
  expect(hubHome(nowhere({}))).toBeUndefined();
  expect(cacheHome(nowhere({}))).toBeUndefined();
  expect(tokenFile(nowhere({}))).toBeUndefined();
  expect(tokenFile(nowhere({ HF_HOME: '/hf' }))).toBe('/hf/token');
  expect(() => hubCache(nowhere({ HF_HUB_CACHE: '~/c' }))).toThrow('HF_HUB_CACHE begins with ~');
});

test('the token file', () => {
  expect(tokenFile(at({}))).toBe('/h/.cache/huggingface/token');
  expect(tokenFile(at({ HF_TOKEN_PATH: '$D/t', D: '/d', HF_HOME: '/hf' }))).toBe('/d/t');
});

test('a leading ~ and no other', () => {
  const places = { home: '/h', homeOf: (user: string) => (user === 'bob' ? '/home/bob' : undefined) };
  const expanded = ['~', '~/a', '~bob/a', '~eve/a', 'a/~', './~/a', '/~'].map((path) =>
    expandHome(path, places, 'x'),
  );
  expect(expanded).toEqual(['/h', '/h/a', '/home/bob/a', '~eve/a', 'a/~', './~/a', '/~']);
  expect(expandVariables(`$A/${braced('B')}$C$$`, { A: '1', B: '2' })).toBe('1/2$C$$');
});
