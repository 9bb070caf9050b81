import { posix } from 'node:path';
import { describe, expect, test } from 'vitest';
import { findToken, type TokenPlaces } from '../../../src/source/hub/token.ts';

function find(places: Partial<TokenPlaces>, files: Record<string, string> = {}) {
  const { join } = posix;
  return findToken({
    flag: undefined,
    environment: {},
    home: '/home/me',
    readFile: (path) => files[path],
    join,
    ...places,
  });
}

const FILES = { '/home/me/.cache/huggingface/token': 'hf_file\n' };

describe('the token', () => {
  test('is looked for in the order of the Hub', () => {
    const environment = { HF_TOKEN: 'hf_new', HUGGING_FACE_HUB_TOKEN: 'hf_old' };
    expect(find({ flag: 'hf_flag', environment }, FILES)).toEqual({ value: 'hf_flag', origin: '--token' });
    expect(find({ environment }, FILES)).toEqual({ value: 'hf_new', origin: 'HF_TOKEN' });
    expect(find({ environment: { ...environment, HF_TOKEN: '' } }, FILES)).toEqual({
      value: 'hf_old',
      origin: 'HUGGING_FACE_HUB_TOKEN',
    });
    expect(find({}, FILES)).toEqual({ value: 'hf_file', origin: '/home/me/.cache/huggingface/token' });
    expect(find({})).toBeUndefined();
  });

  test.each([
    [{ HF_TOKEN_PATH: '/secret/token' }, '/secret/token'],
    [{ HF_TOKEN_PATH: '~/token' }, '/home/me/token'],
    [{ HF_HOME: '/models/hf' }, '/models/hf/token'],
    [{ HF_HOME: '~/hf' }, '/home/me/hf/token'],
    [{ XDG_CACHE_HOME: '/cache' }, '/cache/huggingface/token'],
    [{ HF_HOME: '', XDG_CACHE_HOME: '' }, '/home/me/.cache/huggingface/token'],
  ])('%j: its file is %s', (environment, path) => {
    expect(find({ environment }, { [path]: 'hf_file' })).toEqual({ value: 'hf_file', origin: path });
  });

  test('is not taken from implicit places if that is switched off', () => {
    const environment = { HF_TOKEN: 'hf_new', HF_HUB_DISABLE_IMPLICIT_TOKEN: 'Yes' };
    expect(find({ environment }, FILES)).toBeUndefined();
    expect(find({ environment, flag: 'hf_flag' })?.value).toBe('hf_flag');
    expect(find({ environment: { ...environment, HF_HUB_DISABLE_IMPLICIT_TOKEN: '0' } })?.value).toBe(
      'hf_new',
    );
  });

  test.each([' hf_a\r\n', '\nhf_a', 'hf_\r\na'])('%j is cleaned', (flag) => {
    expect(find({ flag })?.value).toBe('hf_a');
  });

  test.each(['', ' ', '\n\r\n'])('%j is none', (flag) => {
    expect(find({ flag })).toBeUndefined();
  });

  test.each(['hf_sécret', 'hf_secret hf_secret', 'hf_secret\u2026', 'hf_secret\0'])(
    '%j cannot be one: it is refused, with its place and not with its text',
    (value) => {
      expect(() => find({ environment: { HF_TOKEN: value } })).toThrow(
        expect.objectContaining({
          code: 'ACCESS',
          message: 'the token from HF_TOKEN has characters that no token has',
          hint: expect.any(String),
        }),
      );
    },
  );
});
