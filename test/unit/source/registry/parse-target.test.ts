import { describe, expect, test } from 'vitest';
import { repoPath } from '../../../../src/model/repo.ts';
import { parseTarget } from '../../../../src/source/naming.ts';
import { placeOf } from '../../../../src/source/registry/name.ts';
import { parseOciTarget, parseOllamaTarget } from '../../../../src/source/registry/parse-target.ts';

const endpoint = 'https://huggingface.co';
const HEX = 'ab'.repeat(32);
const OLLAMA = 'registry.ollama.ai/library/mixtral';

function parse(text: string, more: { revision?: string; repoType?: 'model' | 'dataset' } = {}) {
  const options = { endpoint, ...more };
  return parseOllamaTarget(text, options) ?? parseOciTarget(text, options) ?? parseTarget(text, options);
}

describe('names of registries', () => {
  test.each([
    ['ollama://mixtral', 'ollama', OLLAMA, undefined],
    ['ollama://mixtral:8x7b', 'ollama', OLLAMA, '8x7b'],
    ['OLLAMA://mixtral:8x7b-instruct-v0.1-q4_K_M', 'ollama', OLLAMA, '8x7b-instruct-v0.1-q4_K_M'],
    [`ollama://mixtral@sha256:${HEX}`, 'ollama', OLLAMA, `sha256:${HEX}`],
    [`ollama://mixtral:8x7b@sha256:${HEX}`, 'ollama', OLLAMA, `sha256:${HEX}`],
    ['ollama://library/mixtral', 'ollama', OLLAMA, undefined],
    ['ollama://someone/model:q4', 'ollama', 'registry.ollama.ai/someone/model', 'q4'],
    ['ollama://registry.ollama.ai/library/mixtral:8x7b', 'ollama', OLLAMA, '8x7b'],
    ['ollama://ollama.com/library/mixtral', 'ollama', OLLAMA, undefined],
    ['ollama://127.0.0.1:5000/library/tiny:1b', 'ollama', '127.0.0.1:5000/library/tiny', '1b'],
    ['ollama://localhost:5000/tiny', 'ollama', 'localhost:5000/library/tiny', undefined],
    ['ollama://[::1]:5000/library/tiny', 'ollama', '[::1]:5000/library/tiny', undefined],
    ['ollama://hf.co/bartowski/Some-GGUF:Q4_K_M', 'ollama', 'hf.co/bartowski/Some-GGUF', 'Q4_K_M'],
    ['ollama://http://models.example/a/b', 'ollama', 'http://models.example/a/b', undefined],
    ['ollama://http://127.0.0.1:5000/a/b', 'ollama', '127.0.0.1:5000/a/b', undefined],
    ['https://ollama.com/library/mixtral', 'ollama', OLLAMA, undefined],
    ['https://ollama.com/library/mixtral:8x7b', 'ollama', OLLAMA, '8x7b'],
    ['https://www.ollama.com/library/mixtral%3A8x7b?x=1#y', 'ollama', OLLAMA, '8x7b'],
    ['https://ollama.com/library/mixtral/tags', 'ollama', OLLAMA, undefined],
    ['https://ollama.com/library/mixtral:8x7b/blobs/0123456789ab', 'ollama', OLLAMA, '8x7b'],
    ['https://ollama.com/someone/model', 'ollama', 'registry.ollama.ai/someone/model', undefined],
    ['http://ollama.com/library/mixtral', 'ollama', OLLAMA, undefined],
    ['ollama.com/library/mixtral:8x7b', 'ollama', OLLAMA, '8x7b'],
    ['registry.ollama.ai/library/mixtral:8x7b', 'ollama', OLLAMA, '8x7b'],
    ['oci://registry.example/models/llama:q4', 'oci', 'registry.example/models/llama', 'q4'],
    [`oci://registry.example/llama@sha256:${HEX}`, 'oci', 'registry.example/llama', `sha256:${HEX}`],
    ['oci://localhost:5000/a/b/c/d', 'oci', 'localhost:5000/a/b/c/d', undefined],
    ['oci://http://10.0.0.1:5000/a', 'oci', 'http://10.0.0.1:5000/a', undefined],
    ['oci://docker.io/ai/gemma3:latest', 'oci', 'registry-1.docker.io/ai/gemma3', 'latest'],
  ])('%s', (text, source, id, revision) => {
    const { repo, revision: found, path } = parse(text);
    expect({ repo, found, path }).toEqual({
      repo: { source, type: 'model', id },
      found: revision,
      path: undefined,
    });
    // What messages call the repository can be typed.
    expect(parse(repoPath(repo)).repo).toEqual(repo);
  });

  test.each([
    'ollama://',
    'ollama:///',
    'ollama://a/b/c/d',
    'ollama://../x',
    'ollama://a/..',
    'ollama://-x',
    'ollama://x:',
    'ollama://x:-tag',
    'ollama://x:a/b',
    'ollama://x:a:cloud',
    'ollama://x y',
    'ollama://x\n',
    'ollama://user:password@host/a/b',
    'ollama://host\u0000/a/b',
    'ollama://a.b/c/d?x=1',
    `ollama://${'n'.repeat(81)}`,
    'ollama://x@sha256:abc',
    `ollama://x@sha256:${HEX.toUpperCase()}`,
    `ollama://x@sha512:${HEX}${HEX}`,
    `ollama://x:sha256:${HEX}`,
    'ollama://x@8x7b',
    'https://ollama.com',
    'https://ollama.com/library',
    'https://ollama.com/search?q=mixtral',
    'https://ollama.com/library/mixtral/other',
    'oci://registry.example',
    'oci://registry.example/',
    'oci://registry.example/Upper',
    'oci://registry.example/a//b',
    'oci://registry.example/../a',
    'oci://registry.example/a@sha256:zz',
    'oci://registry.example:port/a',
    'oci://registry.example:99999/a',
  ])('refuses %j', (text) => {
    // Names are trimmed before they are read.
    if (text === 'ollama://x\n') return expect(parse(text).repo.id).toBe('registry.ollama.ai/library/x');
    expect(() => parse(text)).toThrow(expect.objectContaining({ code: 'USAGE' }));
  });

  test('--revision is the tag, and another one than in the name is a contradiction', () => {
    expect(parse('ollama://mixtral', { revision: '8x7b' }).revision).toBe('8x7b');
    expect(parse('ollama://mixtral:8x7b', { revision: '8x7b' }).revision).toBe('8x7b');
    const contradiction = () => parse('ollama://mixtral:8x7b', { revision: '8x22b' });
    expect(contradiction).toThrow(expect.objectContaining({ code: 'USAGE' }));
    expect(() => parse('ollama://mixtral', { revision: 'a/b' })).toThrow(/tag/);
  });

  test('a registry has models only', () => {
    expect(() => parse('ollama://mixtral', { repoType: 'dataset' })).toThrow(/models only/);
    expect(parse('ollama://mixtral', { repoType: 'model' }).repo.type).toBe('model');
  });

  test('hf.co/OWNER/NAME:QUANT is OWNER/NAME:QUANT of the Hub', () => {
    expect(parse('hf.co/bartowski/Some-GGUF:Q4_K_M')).toEqual(parse('bartowski/Some-GGUF:Q4_K_M'));
  });

  test.each([
    ['ollama://mixtral', 'https://registry.ollama.ai'],
    ['ollama://127.0.0.1:5000/library/x', 'http://127.0.0.1:5000'],
    ['ollama://127.1.2.3/library/x', 'http://127.1.2.3'],
    ['oci://localhost/x', 'http://localhost'],
    ['oci://[::1]:5000/x', 'http://[::1]:5000'],
    ['oci://10.0.0.1:5000/x', 'https://10.0.0.1:5000'],
    ['oci://http://10.0.0.1:5000/x', 'http://10.0.0.1:5000'],
    ['oci://https://localhost:5000/x', 'https://localhost:5000'],
    ['oci://localhost.example/x', 'https://localhost.example'],
    ['oci://127.0.0.1.example/x', 'https://127.0.0.1.example'],
  ])('%s is spoken to at %s', (text, origin) => {
    expect(placeOf(parse(text).repo).origin).toBe(origin);
  });

  test('an id from a file is checked before it becomes an address', () => {
    for (const id of ['host', 'host/../x', 'user@host/x', 'host/x?y', 'host/a b', '/x'])
      expect(() => placeOf({ source: 'oci', type: 'model', id })).toThrow(
        expect.objectContaining({ code: 'USAGE' }),
      );
  });
});
