import { expect, test } from 'vitest';
import {
  chooseReporters,
  type ReporterCircumstances,
} from '../../../../src/report/progress/choose-reporter.ts';

const TERMINAL: ReporterCircumstances = {
  progress: 'auto',
  quiet: false,
  json: false,
  isTTY: true,
  TERM: 'xterm-256color',
  NO_COLOR: undefined,
  CI: undefined,
};

test.each<[string, Partial<ReporterCircumstances>, string[]]>([
  ['a terminal', {}, ['bar']],
  ['a terminal without TERM, as on Windows', { TERM: undefined }, ['bar']],
  ['a pipe', { isTTY: false }, ['line']],
  ['a dumb terminal', { TERM: 'dumb' }, ['line']],
  ['NO_COLOR', { NO_COLOR: '1' }, ['line']],
  ['an empty NO_COLOR', { NO_COLOR: '' }, ['bar']],
  ['CI=true', { CI: 'true' }, ['line']],
  ['CI=false', { CI: 'false' }, ['bar']],
  ['bars asked for in CI', { progress: 'bar', CI: 'true' }, ['bar']],
  ['bars asked for in a pipe', { progress: 'bar', isTTY: false }, ['line']],
  ['bars asked for against NO_COLOR', { progress: 'bar', NO_COLOR: '1' }, ['line']],
  ['plain asked for', { progress: 'plain' }, ['line']],
  ['none asked for', { progress: 'none' }, ['notes']],
  ['quiet', { quiet: true, progress: 'bar' }, []],
  ['JSON', { json: true }, ['json', 'notes']],
  ['JSON with bars asked for', { json: true, progress: 'bar' }, ['json', 'bar']],
  ['JSON and quiet', { json: true, quiet: true }, ['json']],
])('%s', (_name, facts, kinds) => {
  expect(chooseReporters({ ...TERMINAL, ...facts })).toEqual(kinds);
});
