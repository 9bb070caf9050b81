import { expect, test } from 'vitest';
import { readEndpoint } from '../../../src/operations/options.ts';
import { underEndpoint } from '../../../src/source/hub/endpoints.ts';

test.each([
  ['https://hf.co', 'https://huggingface.co'],
  ['https://www.huggingface.co/', 'https://huggingface.co'],
  ['https://huggingface.com', 'https://huggingface.co'],
  ['https://HuggingFace.cn', 'https://huggingface.co'],
  // Others keep their name: a token goes where the user has said.
  ['http://hf.co', 'http://hf.co'],
  ['https://hf.co:8443', 'https://hf.co:8443'],
  ['https://hf-mirror.com/', 'https://hf-mirror.com'],
  ['https://hf.co.example', 'https://hf.co.example'],
])('%s is the endpoint %s', (written, endpoint) => {
  expect(readEndpoint('--endpoint', written)).toBe(endpoint);
});

test.each([
  ['https://proxy.example/hf', 'https://proxy.example/api/x?y=1', 'https://proxy.example/hf/api/x?y=1'],
  ['https://proxy.example/hf', 'https://proxy.example/hf/api/x', 'https://proxy.example/hf/api/x'],
  ['https://proxy.example/hf', 'https://proxy.example/hfx/api', 'https://proxy.example/hf/hfx/api'],
  ['https://proxy.example/hf', 'https://cdn.example/api/x', 'https://cdn.example/api/x'],
  ['https://hub.example', 'https://hub.example/api/x', 'https://hub.example/api/x'],
])('below %s, %s is %s', (endpoint, address, expected) => {
  expect(underEndpoint(endpoint, address)).toBe(expected);
});
